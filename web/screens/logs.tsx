/** The Logs screen: a question, its lines over time, labels and fields, and the lines, their patterns or a breakdown. */

import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Range } from '../api/loki.ts'
import { Ask } from '../logs/ask.tsx'
import { Breakdown } from '../logs/breakdown.tsx'
import { Facets } from '../logs/facets.tsx'
import { LinesView } from '../logs/lines-view.tsx'
import { Numbers } from '../logs/numbers.tsx'
import { Patterns } from '../logs/patterns.tsx'
import { QueryFault } from '../logs/query-fault.tsx'
import { ask, logs, runs } from '../logs/state.ts'
import { Tools } from '../logs/tools.tsx'
import { useFields } from '../logs/use-fields.ts'
import { useLines } from '../logs/use-lines.ts'
import { useLive } from '../logs/use-live.ts'
import { VolumePanel } from '../logs/volume-panel.tsx'
import type { Question } from '../query/chips.ts'
import { rangeNames, rangeNow, timeParams } from '../range.ts'
import { change } from '../router.ts'
import { useKeys } from '../ui/keys.ts'
import { Sheet } from '../ui/sheet.tsx'
import { usePhone } from '../ui/use-phone.ts'

export function Logs() {
  const { query, question, isLines, view, direction, isLive, row } = logs.value
  const { from, to } = rangeNames.value
  const turn = runs.value
  const range = useMemo(() => rangeNow(), [from, to, query, turn])
  const [isReading, setReading] = useState(false)
  const [isScrolled, setScrolled] = useState(false)
  const [isPaused, setPaused] = useState(false)
  const [hasFilters, setFilters] = useState(false)
  const lines = useLines(isLines && !isLive ? query : undefined, range, direction, row?.split('.')[0])
  const live = useLive(isLines && isLive ? query : undefined, isReading || isPaused)
  const isWrong = !isLive && lines.isWrong
  const fields = useFields(isLines && !isWrong ? question : undefined, range)
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
    setFilters(false)
  }, [query])
  if (!isLines) return <Numbers query={query} range={range} zoom={zoom} />
  const shown = isLive || isWrong ? undefined : question
  const facets = shown && <Facets question={shown} range={range} fields={fields} />
  return (
    <main class={isPhone && isScrolled ? 'logs scrolled' : 'logs'} id="main" tabIndex={-1}>
      <h1 class="hidden">Logs</h1>
      <Ask />
      <Tools
        range={range}
        lines={lines}
        live={live}
        fields={fields}
        isPaused={isPaused}
        isPhone={isPhone}
        onPause={() => setPaused(!isPaused)}
        onLive={toggleLive}
        onFilters={() => setFilters(true)}
      />
      {shown && <VolumePanel question={shown} range={range} zoom={zoom} />}
      <div class="body">
        {!isPhone && facets}
        {isWrong ? (
          <QueryFault words={lines.fault ?? ''} query={query} />
        ) : view === 'patterns' && shown !== undefined ? (
          <Patterns question={shown} range={range} />
        ) : view === 'breakdown' && shown !== undefined ? (
          <Breakdown question={shown} range={range} fields={fields} />
        ) : (
          <LinesView
            range={range}
            lines={lines}
            live={isLive ? live : undefined}
            onReading={setReading}
            onScrolled={setScrolled}
          />
        )}
      </div>
      {isPhone && hasFilters && (
        <Sheet title="Filters" onClose={() => setFilters(false)}>
          {facets}
        </Sheet>
      )}
    </main>
  )
}

const titleOf = ({ matchers }: Question): string => matchers.map(({ value }) => value).join(', ')

function shift({ start, end }: Range, sign: number, zoom: (range: Range) => void): void {
  const by = ((end - start) / 2) * sign
  zoom({ start: start + by, end: end + by })
}
