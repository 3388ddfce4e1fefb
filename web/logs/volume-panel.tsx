/** Lines over time by level above the lines, with the legend that filters. */

import { askSeries, type Range, stepFor } from '../api/loki.ts'
import { WANT } from '../api/request.ts'
import { bucketsOf } from '../charts/buckets.ts'
import { Legend, toggled } from '../charts/legend.tsx'
import { VolumeChart } from '../charts/volume.tsx'
import { levelsOf, type Question, withLevels, withoutLevels, writeQuestion } from '../query/chips.ts'
import { LEVELS, type Level } from '../query/levels.ts'
import { Fault } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { spanText } from '../words.ts'
import { askQuestion } from './state.ts'

const BARS = 60
const BAD: readonly Level[] = ['critical', 'error', 'warn']
const WELL: readonly Level[] = ['info', 'debug', 'unknown']

interface VolumePanelProps {
  readonly question: Question
  readonly range: Range
  readonly zoom: (range: Range) => void
}

export function VolumePanel({ question, range, zoom }: VolumePanelProps) {
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
