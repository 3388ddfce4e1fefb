/** The Logs screen of a metric query. */

import { askSeries, type Range, stepFor } from '../api/loki.ts'
import { WANT } from '../api/request.ts'
import { change } from '../router.ts'
import { useAsk } from '../ui/use-ask.ts'
import { countText } from '../words.ts'
import { Ask } from './ask.tsx'
import { QueryFault } from './query-fault.tsx'
import { SaveMenu } from './save-menu.tsx'

const POINTS = 240
/** With uPlot, which only numbers need. */
const loadSeries = () => import('../charts/series.tsx')

/** A metric query: curves and a table. */
export function Numbers({ query, range, zoom }: { query: string; range: Range; zoom: (range: Range) => void }) {
  const asked = useAsk(
    (signal) => askSeries(query, range, stepFor(range, POINTS), { signal, want: WANT.lines }),
    [query, range],
  )
  const charts = useAsk(loadSeries, [])
  const SeriesView = charts.value?.SeriesView
  return (
    <main class="logs" id="main" tabIndex={-1}>
      <h1 class="hidden">Metrics</h1>
      <Ask />
      <div class="tools">
        <span class="soft" role="status">
          {asked.isBusy
            ? 'Reading …'
            : asked.fault === undefined
              ? `${countText(asked.value?.length ?? 0)} series`
              : ''}
        </span>
        <div class="end">{asked.value && <SaveMenu range={range} series={asked.value} />}</div>
      </div>
      {asked.fault !== undefined && <QueryFault words={asked.fault} query={query} />}
      {asked.value?.length === 0 && asked.fault === undefined && <NoNumbers />}
      {SeriesView && asked.value && asked.value.length > 0 && asked.fault === undefined && (
        <SeriesView series={asked.value} range={range} onZoom={zoom} />
      )}
    </main>
  )
}

function NoNumbers() {
  return (
    <div class="empty">
      <h2>This query has no numbers in this time.</h2>
      <p>Its selector matches no lines here, or its filters leave none.</p>
      <p>
        <button type="button" class="btn" onClick={() => change({ from: 'now-24h', to: undefined }, 'push')}>
          Look at the last day
        </button>
      </p>
    </div>
  )
}
