/** Lines over time by level: bars that are stacked, dragged over for a time range, read by the keyboard. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Range } from '../api/loki.ts'
import type { Level } from '../query/levels.ts'
import { SHOWN } from '../query/levels.ts'
import { clockText, countText, shortText, zoneText } from '../words.ts'
import { type Buckets, roundUp, sumOf } from './buckets.ts'

/** From the bottom of a bar to its top. */
const STACK: readonly Level[] = ['unknown', 'debug', 'info', 'warn', 'error', 'critical']
const LEFT = 48
const AXIS = 18
const TOP = 8
/** A bar with anything in it is seen. */
const BAR_MIN = 1.5
/** Pixels that make a press a drag. */
const DRAG_MIN = 4
/** Pixels that a time takes; one with seconds or a day is longer. */
const TICK_WIDTH = 72
const TICK_WIDTH_LONG = 110
const TICKS = [
  5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800,
]

interface VolumeProps {
  readonly buckets: Buckets
  readonly levels: readonly Level[]
  readonly height: number
  readonly name: string
  readonly hasAxis?: boolean
  readonly onZoom: (range: Range) => void
}

export function VolumeChart({ buckets, levels, height, name, hasAxis = true, onZoom }: VolumeProps) {
  const place = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  const [at, setAt] = useState<number>()
  const [anchor, setAnchor] = useState<number>()
  const drag = useRef<{ x: number; index: number } | undefined>(undefined)
  useLayoutEffect(() => {
    const host = place.current
    if (host === null) return
    setWidth(host.clientWidth)
    const watch = new ResizeObserver(() => setWidth(host.clientWidth))
    watch.observe(host)
    return () => watch.disconnect()
  }, [])
  const { times, step } = buckets
  const size = times.length
  const barWidth = Math.max(0, width - LEFT) / size
  const last = size - 1
  const zoom = (a: number, b: number): void => {
    const [from, to] = [Math.min(a, b), Math.max(a, b)]
    onZoom({ start: (times[from] ?? 0) * 1000, end: ((times[to] ?? 0) + step) * 1000 })
  }
  const clear = (): void => {
    setAt(undefined)
    setAnchor(undefined)
  }
  const indexOf = (event: PointerEvent): number => {
    const { left } = (event.currentTarget as HTMLElement).getBoundingClientRect()
    return Math.min(Math.max(Math.floor((event.clientX - left - LEFT) / barWidth), 0), last)
  }
  const onPointerDown = (event: PointerEvent): void => {
    if (event.button !== 0) return
    const index = indexOf(event)
    drag.current = { x: event.clientX, index }
    ;(event.currentTarget as HTMLElement).setPointerCapture(event.pointerId)
  }
  const onPointerMove = (event: PointerEvent): void => {
    setAt(indexOf(event))
    if (drag.current !== undefined && Math.abs(event.clientX - drag.current.x) >= DRAG_MIN)
      setAnchor(drag.current.index)
  }
  const onPointerUp = (event: PointerEvent): void => {
    const began = drag.current
    drag.current = undefined
    if (began !== undefined && Math.abs(event.clientX - began.x) >= DRAG_MIN) zoom(began.index, indexOf(event))
    clear()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (by !== 0) {
      event.preventDefault()
      const next = Math.min(Math.max((at ?? (by > 0 ? -1 : size)) + by, 0), last)
      setAnchor(event.shiftKey ? (anchor ?? at ?? next) : undefined)
      setAt(next)
    }
    if (event.key === 'Enter' && at !== undefined) zoom(at, anchor ?? at)
    if (event.key === 'Escape') clear()
  }
  const words = at === undefined ? '' : barText(buckets, levels, at, anchor)
  return (
    <figure class="volume">
      <div
        class="plot"
        ref={place}
        role="slider"
        tabIndex={0}
        aria-label={`${name}. Arrow keys read the bars, with Shift they select, Enter zooms.`}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={at ?? 0}
        aria-valuetext={words || 'no bar'}
        style={{ height: `${height}px` }}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerLeave={() => drag.current === undefined && clear()}
      >
        {width > 0 && (
          <Bars
            buckets={buckets}
            levels={levels}
            width={width}
            height={height}
            hasAxis={hasAxis}
            marked={at === undefined ? undefined : [at, anchor ?? at]}
          />
        )}
      </div>
      <figcaption class="readout">{words}</figcaption>
    </figure>
  )
}

function barText({ times, step, counts }: Buckets, levels: readonly Level[], at: number, anchor = at): string {
  const [a, b] = [Math.min(at, anchor), Math.max(at, anchor)]
  const sum = (level: Level): number =>
    (counts.get(level) ?? []).slice(a, b + 1).reduce((total, each) => total + each, 0)
  const parts = levels.filter((level) => sum(level) > 0).map((level) => `${SHOWN[level]} ${countText(sum(level))}`)
  const hasSeconds = step < 60
  const from = clockText((times[a] ?? 0) * 1000, hasSeconds, step >= 3600)
  const to = clockText(((times[b] ?? 0) + step) * 1000, hasSeconds, step >= 3600)
  return `${from} – ${to} ${zoneText()}: ${parts.join(', ') || 'no lines'}`
}

interface BarsProps {
  readonly buckets: Buckets
  readonly levels: readonly Level[]
  readonly width: number
  readonly height: number
  readonly hasAxis: boolean
  readonly marked: readonly [number, number] | undefined
}

function Bars({ buckets, levels, width, height, hasAxis, marked }: BarsProps) {
  const { times, step } = buckets
  const stacked = STACK.filter((level) => levels.includes(level))
  const sums = stacked.map((_, i) => sumOf(buckets, stacked.slice(0, i + 1)))
  const top = roundUp(Math.max(0, ...(sums.at(-1) ?? [])))
  const base = height - (hasAxis ? AXIS : 1)
  const barWidth = (width - LEFT) / times.length
  const gap = barWidth > 3 ? 1 : 0
  const y = (value: number): number => base - (value / top) * (base - TOP)
  const paths = stacked.map((level, k) => {
    const path = times.map((_, i) => {
      const high = sums[k]?.[i] ?? 0
      const low = k === 0 ? 0 : (sums[k - 1]?.[i] ?? 0)
      if (high <= low) return ''
      const part = Math.max(BAR_MIN, y(low) - y(high))
      return `M${(LEFT + i * barWidth).toFixed(1)} ${y(low).toFixed(1)}h${(barWidth - gap).toFixed(1)}v${(-part).toFixed(1)}h${(gap - barWidth).toFixed(1)}z`
    })
    return <path key={level} class={`b-${level}`} d={path.join('')} />
  })
  const lines = height > 60 ? [0, top / 2, top] : [0, top]
  return (
    <svg width={width} height={height} aria-hidden="true" focusable="false">
      <defs>
        <pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="2" height="4" class="hatch" />
        </pattern>
      </defs>
      {lines.map((value) => (
        <g key={value}>
          <path class="grid" d={`M${LEFT} ${Math.round(y(value)) + 0.5}H${width}`} />
          <text x={LEFT - 6} y={Math.min(base, y(value) + 4)} text-anchor="end">
            {shortText(value)}
          </text>
        </g>
      ))}
      {paths}
      {marked && (
        <rect
          class="marked"
          x={LEFT + Math.min(...marked) * barWidth}
          y={0}
          width={(Math.abs(marked[1] - marked[0]) + 1) * barWidth}
          height={base}
        />
      )}
      {hasAxis && <Axis first={times[0] ?? 0} end={(times.at(-1) ?? 0) + step} width={width} y={height - 4} />}
    </svg>
  )
}

function Axis({ first, end, width, y }: { first: number; end: number; width: number; y: number }) {
  const hasDay = end - first > 172_800
  const tickWidth = hasDay || end - first < 600 ? TICK_WIDTH_LONG : TICK_WIDTH
  const count = Math.max(1, Math.floor((width - LEFT) / tickWidth))
  const step = TICKS.find((each) => (end - first) / each <= count) ?? 2_592_000
  // Ticks at whole hours and days of the zone of the machine; in UTC the two are the same.
  const shift = step >= 3600 ? new Date(first * 1000).getTimezoneOffset() * 60 : 0
  const at = Math.ceil((first - shift) / step) * step + shift
  const ticks = Array.from({ length: Math.max(0, Math.floor((end - at) / step) + 1) }, (_, i) => at + i * step)
  const x = (seconds: number): number => LEFT + ((seconds - first) / (end - first)) * (width - LEFT)
  return (
    <g>
      {ticks
        .filter((tick) => x(tick) < width - 20)
        .map((tick) => (
          <text key={tick} x={x(tick)} y={y} text-anchor={x(tick) < LEFT + 16 ? 'start' : 'middle'}>
            {clockText(tick * 1000, step < 60, hasDay)}
          </text>
        ))}
    </g>
  )
}
