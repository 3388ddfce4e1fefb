/** Numbers over time: curves with a readout, and the same as a table that sorts. */

import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Range } from '../api/loki.ts'
import { type Series, seriesName } from '../api/series.ts'
import { isUtc, theme } from '../settings.ts'
import { clockText, plural, shortText, zoneText } from '../words.ts'
import { colorOf } from './color.ts'

const DRAWN_MAX = 100
const COLORS = 10
/** The name of a curve's colour in the style sheet. */
const colorAt = (i: number): string => `--c${i % COLORS}`

const numberText = (value: number): string =>
  Number.isFinite(value) ? value.toLocaleString('en', { maximumSignificantDigits: 6 }) : String(value)

export function SeriesView({
  series,
  range,
  onZoom,
}: {
  series: readonly Series[]
  range: Range
  onZoom: (range: Range) => void
}) {
  const drawn = series.slice(0, DRAWN_MAX)
  const times = [...new Set(drawn.flatMap(({ values }) => values.map(([at]) => at)))].sort((a, b) => a - b)
  const columns = drawn.map(({ values }) => {
    const known = new Map(values.map(([at, value]) => [at, Number(value)]))
    return times.map((at) => known.get(at) ?? null)
  })
  const [at, setAt] = useState<number>()
  return (
    <div class="series">
      <Curves times={times} columns={columns} range={range} onZoom={onZoom} onPoint={setAt} />
      <p class="readout" aria-live="polite">
        {at === undefined ? '' : `${clockText((times[at] ?? 0) * 1000, true)} ${zoneText()}`}
        {series.length > DRAWN_MAX &&
          ` ${DRAWN_MAX} series are drawn, ${plural(series.length - DRAWN_MAX, 'more series').replace(/s$/, '')} are not.`}
      </p>
      <SeriesTable series={drawn} columns={columns} at={at} />
    </div>
  )
}

interface CurvesProps {
  readonly times: readonly number[]
  readonly columns: readonly (readonly (number | null)[])[]
  readonly range: Range
  readonly onZoom: (range: Range) => void
  readonly onPoint: (index: number | undefined) => void
}

const HEIGHT = 260

function Curves({ times, columns, range, onZoom, onPoint }: CurvesProps) {
  const place = useRef<HTMLDivElement>(null)
  const drawing = useRef<uPlot | undefined>(undefined)
  const utc = isUtc.value
  const colors = theme.value
  useEffect(() => {
    const host = place.current
    if (host === null) return
    const axis = {
      stroke: () => colorOf('--faint'),
      font: '11px system-ui, sans-serif',
      ticks: { show: false },
      grid: { stroke: () => colorOf('--rule'), width: 1 },
    }
    const plot = new uPlot(
      {
        width: host.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, y: false },
        tzDate: (seconds) => (utc ? uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') : new Date(seconds * 1000)),
        scales: { x: { time: true, range: () => [range.start / 1000, range.end / 1000] } },
        axes: [
          {
            ...axis,
            size: 30,
            values: (_, ticks) =>
              ticks.map((tick) => clockText(tick * 1000, false, range.end - range.start > 172_800_000)),
          },
          { ...axis, size: 60, values: (_, ticks) => ticks.map(shortText) },
        ],
        series: [
          {},
          ...columns.map((column, i) => ({
            stroke: () => colorOf(colorAt(i)),
            width: 1.5,
            spanGaps: false,
            points: { show: column.filter((each) => each !== null).length < 2 },
          })),
        ],
        hooks: {
          setCursor: [(each) => onPoint(each.cursor.idx ?? undefined)],
          setSelect: [
            (each) => {
              const { left, width } = each.select
              if (width >= 3)
                onZoom({ start: each.posToVal(left, 'x') * 1000, end: each.posToVal(left + width, 'x') * 1000 })
            },
          ],
        },
      },
      [[...times], ...columns.map((column) => [...column])],
      host,
    )
    drawing.current = plot
    const watch = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: HEIGHT }))
    watch.observe(host)
    return () => {
      watch.disconnect()
      drawing.current = undefined
      plot.destroy()
    }
  }, [times.join(), columns.length, range.start, range.end, utc, colors])
  const onKeyDown = (event: KeyboardEvent): void => {
    const plot = drawing.current
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -times.length, End: times.length }[event.key]
    if (plot === undefined || by === undefined) return
    event.preventDefault()
    const before = plot.cursor.idx ?? (by > 0 ? -1 : times.length)
    const next = Math.min(Math.max(before + by, 0), times.length - 1)
    plot.setCursor({ left: plot.valToPos(times[next] ?? 0, 'x'), top: 0 })
  }
  return (
    <div
      class="plot"
      ref={place}
      role="group"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move the cursor of the curves
      tabIndex={0}
      aria-label={`${plural(columns.length, 'curve')}. Arrow keys move the cursor; the table below has the numbers.`}
      onKeyDown={onKeyDown}
    />
  )
}

const HEADS = ['series', 'at the cursor', 'last', 'lowest', 'highest', 'mean'] as const

function SeriesTable({
  series,
  columns,
  at,
}: {
  series: readonly Series[]
  columns: CurvesProps['columns']
  at: number | undefined
}) {
  const [sort, setSort] = useState(2)
  const rows = series.map(({ metric }, i) => {
    const numbers = (columns[i] ?? []).filter((each): each is number => each !== null && Number.isFinite(each))
    const sum = numbers.reduce((total, each) => total + each, 0)
    const cells = [
      at === undefined ? Number.NaN : (columns[i]?.[at] ?? Number.NaN),
      numbers.at(-1) ?? Number.NaN,
      numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
      numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
      sum / numbers.length,
    ]
    return { name: seriesName(metric), cells, i }
  })
  rows.sort((a, b) =>
    sort === 0 ? (a.name < b.name ? -1 : 1) : (b.cells[sort - 1] ?? 0) - (a.cells[sort - 1] ?? 0) || a.i - b.i,
  )
  return (
    <div class="scroll">
      <table class="data">
        <thead>
          <tr>
            {HEADS.map((words, i) => (
              <th
                key={words}
                scope="col"
                class={i === 0 ? '' : 'num'}
                aria-sort={sort === i ? (i === 0 ? 'ascending' : 'descending') : 'none'}
              >
                <button type="button" onClick={() => setSort(i)}>
                  {words}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, cells, i }) => (
            <tr key={name}>
              <th scope="row" class="mono">
                <svg class="ic" viewBox="0 0 16 16" aria-hidden="true">
                  <path d="M2 8h12" style={{ stroke: `var(${colorAt(i)})` }} stroke-width="3" />
                </svg>
                {name}
              </th>
              {cells.map((value, k) => (
                <td key={k} class="num">
                  {Number.isNaN(value) ? '–' : numberText(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
