/** `npm run soak -- --minutes 60`: a steady load for an hour, drawn as a picture. */

import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawSoak } from './draw-soak.ts'
import { type SoakSample, soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    /** Seconds per sample. */
    sample: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    /** The file of the samples, one JSON object per line. */
    samples: { type: 'string', default: 'soak.jsonl' },
    /** The file of the picture. */
    picture: { type: 'string', default: 'soak.svg' },
    /** Only draws the existing samples. */
    draw: { type: 'boolean', default: false },
  },
})

if (!values.draw) await run()
const samples = readFileSync(values.samples, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as SoakSample)
writeFileSync(values.picture, drawSoak(samples))
console.log(summary(samples))

async function run(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-soak-'))
  writeFileSync(values.samples, '')
  try {
    await soak({
      dataDir,
      minutes: Number(values.minutes),
      sampleSeconds: Number(values.sample),
      seed: Number(values.seed),
      onSample: (sample) => appendFileSync(values.samples, `${JSON.stringify(sample)}\n`),
    })
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** Compares the second and the last third of the run: a flat figure is similar in both. */
function summary(samples: readonly SoakSample[]): string {
  const third = Math.floor(samples.length / 3)
  const thirds = [samples.slice(third, 2 * third), samples.slice(2 * third)]
  const middle = (read: (sample: SoakSample) => number): string =>
    thirds
      .map((part) =>
        part
          .map(read)
          .filter(Number.isFinite)
          .sort((a, b) => a - b),
      )
      .map((sorted) => (sorted[sorted.length >> 1] ?? Number.NaN).toFixed(1))
      .join(' -> ')
  const last = samples.at(-1)
  return [
    `${last?.second} s, ${last?.lines} lines, ${last?.tailLines} by tail, ${last?.failures} failures; medians of the second and the last third:`,
    `memory ${middle(({ rssBytes }) => rssBytes / 2 ** 20)} MiB`,
    `handles ${middle(({ handles }) => handles)}`,
    `files ${middle(({ diskBytes }) => diskBytes / 2 ** 20)} MiB`,
    `push median ${middle(({ pushMedian }) => pushMedian)} ms, p99 ${middle(({ pushP99 }) => pushP99)} ms`,
    `query median ${middle(({ queryMedian }) => queryMedian)} ms, p99 ${middle(({ queryP99 }) => queryP99)} ms`,
  ].join('\n')
}
