/** Draws the samples of a soak as one picture: memory, handles, files and latency over time. */

import type { SoakSample } from './soak.ts'

const WIDTH = 960
const PANEL_HEIGHT = 140
const LEFT = 64
const TOP = 34
const PLOT_HEIGHT = 76
const MIB = 1024 * 1024

interface Curve {
  readonly name: string
  readonly color: string
  readonly read: (sample: SoakSample) => number
}

interface Panel {
  readonly title: string
  readonly curves: readonly Curve[]
}

const PANELS: readonly Panel[] = [
  {
    title: 'Memory of the process, MiB',
    curves: [{ name: 'resident', color: '#1f77b4', read: ({ rssBytes }) => rssBytes / MIB }],
  },
  {
    title: 'Open files and sockets',
    curves: [{ name: 'handles', color: '#1f77b4', read: ({ handles }) => handles }],
  },
  {
    title: 'Files in the data folder, MiB',
    curves: [{ name: 'all files', color: '#1f77b4', read: ({ diskBytes }) => diskBytes / MIB }],
  },
  {
    title: 'Pushes, ms from request to answer',
    curves: [
      { name: 'median', color: '#1f77b4', read: ({ pushMedian }) => pushMedian },
      { name: 'p99', color: '#d62728', read: ({ pushP99 }) => pushP99 },
    ],
  },
  {
    title: 'Queries, ms from request to answer',
    curves: [
      { name: 'median', color: '#1f77b4', read: ({ queryMedian }) => queryMedian },
      { name: 'p99', color: '#d62728', read: ({ queryP99 }) => queryP99 },
    ],
  },
]

/** The picture as SVG. */
export function drawSoak(samples: readonly SoakSample[]): string {
  const height = PANELS.length * PANEL_HEIGHT + 24
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...PANELS.map((panel, index) => drawPanel(panel, samples, index * PANEL_HEIGHT + TOP)),
    '</svg>\n',
  ].join('\n')
}

function drawPanel({ title, curves }: Panel, samples: readonly SoakSample[], top: number): string {
  const bottom = top + PLOT_HEIGHT
  const seconds = Math.max(1, samples.at(-1)?.second ?? 1)
  const finite = curves.flatMap(({ read }) => samples.map(read)).filter(Number.isFinite)
  const highest = Math.max(1, ...finite)
  const x = (second: number): string => (LEFT + ((WIDTH - LEFT - 90) * second) / seconds).toFixed(1)
  const y = (value: number): string => (bottom - (PLOT_HEIGHT * value) / highest).toFixed(1)
  const paths = curves.map(({ name, color, read }, at) => {
    const points = samples.map((sample) => [sample.second, read(sample)] as const).filter(([, v]) => Number.isFinite(v))
    const path = points.map(([second, value], i) => `${i === 0 ? 'M' : 'L'}${x(second)} ${y(value)}`).join('')
    const label = `<text x="${WIDTH - 82}" y="${top + 12 + at * 16}" fill="${color}">${name}</text>`
    return `<path d="${path}" fill="none" stroke="${color}"/>${label}`
  })
  const ticks = Array.from({ length: Math.floor(seconds / 600) + 1 }, (_, i) => {
    const text = `<text x="${x(i * 600)}" y="${bottom + 15}" fill="#777" text-anchor="middle">${i * 10} min</text>`
    return `<path d="M${x(i * 600)} ${top}V${bottom}" stroke="#ddd"/>${text}`
  })
  return [
    `<text x="${LEFT}" y="${top - 8}" font-weight="bold">${title}</text>`,
    ...ticks,
    `<text x="${LEFT - 6}" y="${top + 10}" fill="#777" text-anchor="end">${Math.round(highest)}</text>`,
    `<text x="${LEFT - 6}" y="${bottom}" fill="#777" text-anchor="end">0</text>`,
    ...paths,
    `<path d="M${LEFT} ${bottom}H${WIDTH - 90}" stroke="#777"/>`,
  ].join('\n')
}
