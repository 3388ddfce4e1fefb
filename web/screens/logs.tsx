/** The Logs screen: a question, its lines over time, labels and fields, and the lines, their patterns or a breakdown. */

import { useEffect, useMemo, useState } from 'preact/hooks'
import { askSeries, type Range, stepFor } from '../api/loki.ts'
import { WANT } from '../api/request.ts'
import { bucketsOf } from '../charts/buckets.ts'
import { Legend, toggled } from '../charts/legend.tsx'
import { VolumeChart } from '../charts/volume.tsx'
import { copy, curlOf, logcliOf } from '../lines/copy.ts'
import { Ask } from '../logs/ask.tsx'
import { Breakdown } from '../logs/breakdown.tsx'
import { download } from '../logs/download.ts'
import { Facets } from '../logs/facets.tsx'
import { LinesView } from '../logs/lines-view.tsx'
import { Patterns } from '../logs/patterns.tsx'
import { ask, askQuestion, logs, runs, VIEWS } from '../logs/state.ts'
import { type Lines, useLines } from '../logs/use-lines.ts'
import { type Live, useLive } from '../logs/use-live.ts'
import { levelsOf, type Question, withLevels, withoutLevels, writeQuestion } from '../query/chips.ts'
import { LEVELS, type Level } from '../query/levels.ts'
import { rangeNames, rangeNow, timeParams } from '../range.ts'
import { change, hrefOf, place } from '../router.ts'
import { useKeys } from '../ui/keys.ts'
import { Fault, Menu, say } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { usePhone } from '../ui/use-phone.ts'
import { bytesText, countText, plural, spanText } from '../words.ts'

const BARS = 60
const POINTS = 240
/** With uPlot, which only numbers need. */
const loadSeries = () => import('../charts/series.tsx')
const BAD: readonly Level[] = ['critical', 'error', 'warn']
const WELL: readonly Level[] = ['info', 'debug', 'unknown']

export function Logs() {
  const { query, question, isLines, view, direction, isLive } = logs.value
  const { from, to } = rangeNames.value
  const turn = runs.value
  const range = useMemo(() => rangeNow(), [from, to, query, turn])
  const [isReading, setReading] = useState(false)
  const [isPaused, setPaused] = useState(false)
  const followed = isLines && isLive ? query : undefined
  const lines = useLines(isLines && !isLive ? query : undefined, range, direction)
  const live = useLive(followed, isReading || isPaused)
  const isPhone = usePhone()
  const zoom = (wanted: Range): void => change({ ...timeParams(wanted), live: undefined, row: undefined }, 'push')
  const toggleLive = (): void => {
    setPaused(false)
    change({ live: isLive ? undefined : '1', row: undefined, view: undefined })
  }
  useKeys({
    l: toggleLive,
    p: () => change({ view: view === 'patterns' ? undefined : 'patterns' }),
    r: () => ask(query),
    ' ': () => isLive && setPaused(!isPaused),
    '[': () => shift(range, -1, zoom),
    ']': () => shift(range, 1, zoom),
  })
  useEffect(() => {
    document.title = `${question === undefined ? query : titleOf(question)} · Millrace`
  }, [query])
  if (!isLines) return <Numbers query={query} range={range} zoom={zoom} />
  return (
    <main class="logs" id="main" tabIndex={-1}>
      <h1 class="hidden">Logs</h1>
      <Ask />
      <Tools
        range={range}
        lines={lines}
        live={live}
        isPaused={isPaused}
        onPause={() => setPaused(!isPaused)}
        onLive={toggleLive}
      />
      {!isLive && question !== undefined && <Volume question={question} range={range} zoom={zoom} />}
      <div class="body">
        {!isLive && !isPhone && question !== undefined && <Facets question={question} range={range} />}
        {view === 'patterns' && question !== undefined && !isLive ? (
          <Patterns question={question} range={range} />
        ) : view === 'breakdown' && question !== undefined && !isLive ? (
          <Breakdown question={question} range={range} />
        ) : (
          <LinesView range={range} lines={lines} live={isLive ? live : undefined} onReading={setReading} />
        )}
      </div>
    </main>
  )
}

const titleOf = ({ matchers }: Question): string => matchers.map(({ value }) => value).join(', ')

function shift({ start, end }: Range, sign: number, zoom: (range: Range) => void): void {
  const by = ((end - start) / 2) * sign
  zoom({ start: start + by, end: end + by })
}

interface ToolsProps {
  readonly range: Range
  readonly lines: Lines
  readonly live: Live
  readonly isPaused: boolean
  readonly onPause: () => void
  readonly onLive: () => void
}

function Tools({ range, lines, live, isPaused, onPause, onLive }: ToolsProps) {
  const { query, view, isRaw, isWrapped, isLive, direction } = logs.value
  return (
    <div class="tools">
      <nav class="tabs" aria-label="Of these lines">
        {VIEWS.map((each) => (
          <a
            key={each}
            href={hrefOf('logs', {
              ...Object.fromEntries(place.value.params),
              view: each === 'lines' ? undefined : each,
              live: undefined,
              row: undefined,
            })}
            aria-current={view === each && !isLive ? 'true' : undefined}
          >
            {each[0]?.toUpperCase()}
            {each.slice(1)}
          </a>
        ))}
      </nav>
      <span class="soft state" role="status">
        {isLive ? '' : statusOf(lines)}
      </span>
      {isLive && <LiveState live={live} isPaused={isPaused} onPause={onPause} />}
      <div class="end">
        <button type="button" class="btn small" id="live" aria-pressed={isLive} onClick={onLive}>
          Live
        </button>
        <button
          type="button"
          class="btn small"
          aria-pressed={isRaw}
          onClick={() => change({ raw: isRaw ? undefined : '1' })}
        >
          Raw
        </button>
        <button
          type="button"
          class="btn small"
          aria-pressed={isWrapped}
          onClick={() => change({ wrap: isWrapped ? undefined : '1' })}
        >
          Wrap
        </button>
        <button
          type="button"
          class="btn small wide"
          aria-pressed={direction === 'forward'}
          onClick={() => change({ order: direction === 'forward' ? undefined : 'forward' })}
        >
          Oldest first
        </button>
        <Menu label="Save" name="Download, or copy the query" icon="download" class="small">
          {(close) => (
            <>
              {(['ndjson', 'csv'] as const).map((form) => (
                <button
                  key={form}
                  type="button"
                  onClick={() => {
                    close()
                    download(query, range, direction, form, (count) => say(`${countText(count)} lines …`))
                      .then((words) => say(words))
                      .catch((error: unknown) => say(String(error)))
                  }}
                >
                  Download as {form === 'csv' ? 'CSV' : 'NDJSON'}
                </button>
              ))}
              {(
                [
                  [
                    'Copy a link',
                    () =>
                      location.origin +
                      location.pathname +
                      hrefOf('logs', {
                        ...Object.fromEntries(place.value.params),
                        ...timeParams(range),
                        live: undefined,
                      }),
                  ],
                  ['Copy as curl', () => curlOf(query, range)],
                  ['Copy as logcli', () => logcliOf(query, range)],
                  ['Copy the query', () => query],
                ] as const
              ).map(([words, make]) => (
                <button
                  key={words}
                  type="button"
                  onClick={async () => {
                    close()
                    say((await copy(make())) ? 'Copied.' : 'The browser does not let this page copy.')
                  }}
                >
                  {words}
                </button>
              ))}
            </>
          )}
        </Menu>
      </div>
    </div>
  )
}

function statusOf({ entries, isBusy, hasMore, bytes, ms, fault }: Lines): string {
  if (fault !== undefined) return ''
  if (isBusy) return 'Reading …'
  return `${plural(entries.length, 'line')}${hasMore ? ' so far' : ''} · ${bytesText(bytes)} read · ${(ms / 1000).toFixed(2)} s`
}

function LiveState({ live, isPaused, onPause }: { live: Live; isPaused: boolean; onPause: () => void }) {
  return (
    <span class="live-state">
      <button type="button" class="btn small" onClick={onPause} aria-pressed={isPaused}>
        {isPaused ? 'Go on' : 'Pause'}
      </button>
      <span class="soft">
        {live.rate >= 10 ? Math.round(live.rate) : live.rate.toFixed(1)} lines a second
        {live.held > 0 && ` · ${countText(live.held)} wait`}
        {live.lost > 0 && ` · ${countText(live.lost)} lines are not shown: too many a second`}
      </span>
      {live.trouble && <span class="bad">{live.trouble} Trying again.</span>}
    </span>
  )
}

function Volume({ question, range, zoom }: { question: Question; range: Range; zoom: (range: Range) => void }) {
  const all = writeQuestion(withoutLevels(question))
  const step = stepFor(range, BARS)
  const asked = useAsk(
    async (signal) => {
      const series = await askSeries(`sum by (detected_level) (count_over_time(${all} [${step}s]))`, range, step, {
        signal,
        want: WANT.volume,
        isKept: true,
      })
      return bucketsOf(series, range, step)
    },
    [all, range],
  )
  const on = levelsOf(question)
  const present = LEVELS.filter((level) => (asked.value?.totals.get(level) ?? 0) > 0 && on.includes(level))
  const bad = BAD.filter((level) => present.includes(level))
  const well = WELL.filter((level) => present.includes(level))
  const hasLanes = bad.length > 0 && well.length > 0
  return (
    <section class="vol" aria-label="Lines over time" aria-busy={asked.isBusy}>
      {asked.fault !== undefined && <Fault words={asked.fault} again={asked.again} />}
      {asked.value && (
        <>
          <div class="head">
            <Legend
              totals={asked.value.totals}
              on={on}
              onToggle={(level) => askQuestion(withLevels(question, toggled(on, level)))}
            />
            <span class="faint">{spanText(step * 1000)} a bar · drag to zoom</span>
          </div>
          {hasLanes && (
            <VolumeChart
              buckets={asked.value}
              levels={well}
              height={46}
              name="Other lines over time"
              hasAxis={false}
              onZoom={zoom}
            />
          )}
          <VolumeChart
            buckets={asked.value}
            levels={hasLanes ? bad : on}
            height={hasLanes ? 64 : 92}
            name={hasLanes ? 'Warnings and errors over time' : 'Lines over time'}
            onZoom={zoom}
          />
        </>
      )}
    </section>
  )
}

/** A metric query: curves and a table. */
function Numbers({ query, range, zoom }: { query: string; range: Range; zoom: (range: Range) => void }) {
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
      </div>
      {asked.fault !== undefined && <Fault words={asked.fault} again={asked.again} />}
      {asked.value?.length === 0 && <p class="empty">There are no numbers in this time range.</p>}
      {SeriesView && asked.value && asked.value.length > 0 && (
        <SeriesView series={asked.value} range={range} onZoom={zoom} />
      )}
    </main>
  )
}
