/**
 * Draws docs/anomalies.svg from simulated series: `node scripts/draw-anomalies.ts`. The same seed gives the same
 * picture.
 */

import { writeFileSync } from 'node:fs'
import { type BaselineSettings, RateBaseline } from '../src/domain/rules/rate-baseline.ts'
import { countOf, MINUTES_OF_DAY, MINUTES_OF_WEEK, meanAt, type RateShape, randomOf, SHOP } from './simulated-rates.ts'

const SEED = 20
const SETTINGS: BaselineSettings = { warmUpHours: 168, factor: 2, countMin: 30 }
const WIDTH = 960
const PANEL_HEIGHT = 150
const LEFT = 56
const TOP = 34
const PLOT_HEIGHT = 84
/** Minutes per point of a curve. */
const POINT_MINUTES = 15

interface Panel {
  readonly title: string
  readonly shape: RateShape
  /** The first and the last day shown; learning starts at day 0. */
  readonly days: readonly [first: number, end: number]
  readonly change: (minute: number) => number
}

interface Curve {
  /** Lines per minute at each point. */
  readonly seen: readonly number[]
  readonly usual: readonly (number | undefined)[]
  /** Minutes of the panel with an open anomaly. */
  readonly anomalies: readonly (readonly [start: number, end: number])[]
}

const during = (start: number, minutes: number, factor: number) => (minute: number) =>
  minute >= start && minute < start + minutes ? factor : 1

const DAY_15 = 15 * MINUTES_OF_DAY
const PANELS: readonly Panel[] = [
  {
    title: 'Days, nights and a weekend: nothing is found',
    shape: SHOP,
    days: [14, 21],
    change: () => 1,
  },
  {
    title: 'Five times the lines for an hour, at 10:00 and at 23:00: both are found',
    shape: SHOP,
    days: [15, 17],
    change: (minute) => during(DAY_15 + 600, 60, 5)(minute) * during(DAY_15 + 1380, 60, 5)(minute),
  },
  {
    title: 'No line for three hours in the afternoon: found, though a night has no more',
    shape: SHOP,
    days: [15, 17],
    change: during(DAY_15 + 840, 180, 0),
  },
  {
    title: 'A tenth more every day: followed, not found',
    shape: { ...SHOP, drift: 0.1 },
    days: [14, 21],
    change: () => 1,
  },
  {
    title: 'Four times the lines from one day on: found, and usual after a day',
    shape: SHOP,
    days: [15, 19],
    change: (minute) => (minute >= DAY_15 + 720 ? 4 : 1),
  },
]

/** The whole picture, a pure function of the seed. */
export function drawAnomalies(seed = SEED): string {
  const height = PANELS.length * PANEL_HEIGHT + 30
  const panels = PANELS.map((panel, index) => drawPanel(panel, simulate(panel, seed + index), index))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...panels,
    legend(height - 12),
    '</svg>\n',
  ].join('\n')
}

function simulate({ shape, days: [first, end], change }: Panel, seed: number): Curve {
  const random = randomOf(seed)
  const baseline = RateBaseline.empty()
  const start = first * MINUTES_OF_DAY
  const seen: number[] = []
  const usual: (number | undefined)[] = []
  const anomalies: [number, number][] = []
  let sum = 0
  for (let minute = 0; minute < end * MINUTES_OF_DAY; minute++) {
    const count = countOf(meanAt(shape, minute) * change(minute), shape.dispersion, random)
    const reading = baseline.observe(minute, count, SETTINGS)
    if (minute < start) continue
    sum += count
    const last = anomalies.at(-1)
    if (baseline.anomaly !== undefined && last?.[1] === minute - start) last[1]++
    else if (baseline.anomaly !== undefined) anomalies.push([minute - start, minute - start + 1])
    if ((minute + 1) % POINT_MINUTES !== 0) continue
    seen.push(sum / POINT_MINUTES)
    usual.push(reading === undefined ? undefined : reading.usual / 5)
    sum = 0
  }
  return { seen, usual, anomalies }
}

function drawPanel(panel: Panel, { seen, usual, anomalies }: Curve, index: number): string {
  const top = index * PANEL_HEIGHT + TOP
  const bottom = top + PLOT_HEIGHT
  const [first, end] = panel.days
  const minutes = (end - first) * MINUTES_OF_DAY
  const highest = Math.max(...seen, ...usual.map((value) => value ?? 0))
  const x = (minute: number): string => (LEFT + ((WIDTH - LEFT - 16) * minute) / minutes).toFixed(1)
  const y = (value: number): string => (bottom - (PLOT_HEIGHT * value) / highest).toFixed(1)
  const path = (values: readonly (number | undefined)[]): string =>
    values.map((value, at) => `${at === 0 ? 'M' : 'L'}${x((at + 1) * POINT_MINUTES)} ${y(value ?? 0)}`).join('')
  const marks = anomalies.map(([from, to]) => {
    const width = Math.max(2, Number(x(to)) - Number(x(from))).toFixed(1)
    return `<rect x="${x(from)}" y="${top}" width="${width}" height="${PLOT_HEIGHT}" fill="#d62728" fill-opacity="0.22"/>`
  })
  const days = Array.from({ length: end - first }, (_, day) => {
    const at = day * MINUTES_OF_DAY
    const line = `<path d="M${x(at)} ${top}V${bottom}" stroke="#ddd"/>`
    return `${line}<text x="${x(at + MINUTES_OF_DAY / 2)}" y="${bottom + 15}" fill="#777" text-anchor="middle">${nameOfDay(first + day)}</text>`
  })
  return [
    `<text x="${LEFT}" y="${top - 8}" font-weight="bold">${panel.title}</text>`,
    ...days,
    `<text x="${LEFT - 6}" y="${top + 10}" fill="#777" text-anchor="end">${Math.round(highest)}</text>`,
    `<text x="${LEFT - 6}" y="${bottom}" fill="#777" text-anchor="end">0</text>`,
    ...marks,
    `<path d="${path(seen)}" fill="none" stroke="#1f77b4"/>`,
    `<path d="${path(usual)}" fill="none" stroke="#333" stroke-dasharray="4 3"/>`,
    `<path d="M${LEFT} ${bottom}H${WIDTH - 16}" stroke="#777"/>`,
  ].join('\n')
}

function nameOfDay(day: number): string {
  return ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][day % 7] as string
}

function legend(y: number): string {
  return [
    `<path d="M${LEFT} ${y - 4}h24" stroke="#1f77b4"/><text x="${LEFT + 30}" y="${y}">lines a minute</text>`,
    `<path d="M${LEFT + 150} ${y - 4}h24" stroke="#333" stroke-dasharray="4 3"/><text x="${LEFT + 180}" y="${y}">usual</text>`,
    `<rect x="${LEFT + 250}" y="${y - 10}" width="24" height="12" fill="#d62728" fill-opacity="0.22"/>`,
    `<text x="${LEFT + 280}" y="${y}">incident open</text>`,
    `<text x="${WIDTH - 16}" y="${y}" fill="#777" text-anchor="end">simulated, after ${(2 * MINUTES_OF_WEEK) / MINUTES_OF_DAY} days of learning</text>`,
  ].join('\n')
}

if (import.meta.main) writeFileSync(new URL('../docs/anomalies.svg', import.meta.url), drawAnomalies())
