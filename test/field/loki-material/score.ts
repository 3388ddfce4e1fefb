/** Counts the evaluations of Loki's scripts that a gateway or a Loki answers as the scripts expect. */

import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { DataStream } from '../../differential/data-set.ts'
import type { Peer, Reply } from '../../differential/peer.ts'
import { canonical, type Evaluation, type Expected, readScript, type Samples } from './script-file.ts'

export interface Score {
  readonly evaluations: number
  readonly right: number
  /** `file:row query` with what was answered. */
  readonly wrong: readonly string[]
}

/** The folder of the scripts in a checkout of grafana/loki. */
const SCRIPTS = 'pkg/logql/internal/logqltest/testdata/*.logqltest'
const TOLERANCE = 1e-9
const HOUR = 3_600_000_000_000n

/** The files of the checkout; empty if it has no such folder. */
export function findScripts(checkout: string): string[] {
  return globSync(join(checkout, SCRIPTS)).sort()
}

/**
 * Evaluates the scripts. Each evaluation has a tenant of its own, whose zero lies so that its first step is a multiple
 * of the step since the epoch: over HTTP, ranges are widened to such times. `before` bounds all times, in ns.
 */
export async function scoreScripts(peer: Peer, files: readonly string[], run: string, before: bigint): Promise<Score> {
  const wrong: string[] = []
  let evaluations = 0
  for (const file of files) {
    for (const evaluation of readScript(readFileSync(file, 'utf8'))) {
      const tenant = `${run}-${evaluations++}`
      const reply = await evaluate(peer, tenant, evaluation, before)
      const fault = faultOf(evaluation, reply, zeroOf(evaluation, before))
      if (fault !== undefined) wrong.push(`${basename(file)}:${evaluation.row} ${evaluation.query}\n    ${fault}`)
    }
  }
  return { evaluations, right: evaluations - wrong.length, wrong }
}

async function evaluate(peer: Peer, tenant: string, evaluation: Evaluation, before: bigint): Promise<Reply> {
  const zero = zeroOf(evaluation, before)
  const streams = streamsOf(evaluation, zero)
  if (streams.length > 0) await peer.push(tenant, streams)
  const { start, end, step, query } = evaluation
  const params =
    step === undefined
      ? { time: String(zero + start) }
      : {
          start: String(zero + start),
          // The last step in the range: an end between two steps is moved to the next one over HTTP.
          end: String(zero + start + ((end - start) / step) * step),
          step: String(Number(step) / 1e9),
        }
  return peer.ask(tenant, { path: step === undefined ? 'query' : 'query_range', params, query, isCategorized: false })
}

function zeroOf({ start, step }: Evaluation, before: bigint): bigint {
  const zero = ((before - 24n * HOUR) / HOUR) * HOUR
  return step === undefined ? zero : zero - ((zero + start) % step)
}

function streamsOf({ entries }: Evaluation, zero: bigint): DataStream[] {
  const streams = new Map<string, DataStream & { entries: DataStream['entries'][number][] }>()
  for (const { labels, ns, line, metadata } of entries) {
    const key = canonical(Object.entries(labels))
    const stream = streams.get(key) ?? { labels, entries: [] }
    streams.set(key, stream)
    stream.entries.push({ ns: zero + ns, line, metadata })
  }
  return [...streams.values()]
}

interface WireData {
  readonly resultType: string
  readonly result: unknown
}

type Point = readonly [number, string]

interface WireSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: Point
  readonly values?: readonly Point[]
}

function faultOf(evaluation: Evaluation, reply: Reply, zero: bigint): string | undefined {
  const { expected } = evaluation
  const shown = `${reply.status} ${reply.body.replace(/,"stats":.*/s, '').slice(0, 300)}`
  if (expected.kind === 'refusal') return isRefused(expected, reply) ? undefined : shown
  if (reply.status !== 200) return shown
  const { resultType, result } = (JSON.parse(reply.body) as { data: WireData }).data
  if (expected.kind === 'scalar') {
    const [value] = resultType === 'scalar' ? [(result as Point)[1]] : valuesOfMatrix(result)
    return value !== undefined && isClose(expected.value, readValue(value)) ? undefined : shown
  }
  if (resultType !== 'vector' && resultType !== 'matrix') return shown
  return areSeries(evaluation, expected, result as readonly WireSeries[], zero) ? undefined : shown
}

function valuesOfMatrix(result: unknown): string[] {
  return (result as readonly WireSeries[]).flatMap(({ values = [] }) => values.map(([, value]) => value))
}

function isRefused(expected: Extract<Expected, { kind: 'refusal' }>, { status, body }: Reply): boolean {
  if (status < 400) return false
  if (expected.pattern !== undefined) return new RegExp(expected.pattern).test(body)
  return expected.text === undefined || body.includes(expected.text)
}

function areSeries(
  { start, end, step }: Evaluation,
  { series, isOrdered }: Extract<Expected, { kind: 'series' }>,
  found: readonly WireSeries[],
  zero: bigint,
): boolean {
  const names = found.map(({ metric }) => canonical(Object.entries(metric)))
  if (found.length !== series.size || new Set(names).size !== found.length) return false
  if (isOrdered && [...series.keys()].some((name, i) => name !== names[i])) return false
  const times: number[] = []
  for (let ns = start; ns <= end; ns += step ?? end - start + 1n) times.push(Number((zero + ns) / 1_000_000n) / 1000)
  return found.every(({ value, values }, i) => {
    const points = new Map(values ?? (value === undefined ? [] : [value]))
    const wanted: Samples | undefined = series.get(names[i] as string)
    if (wanted === undefined) return false
    const present = wanted.filter((each) => each !== undefined).length
    return present === points.size && wanted.every((each, k) => isSample(each, points.get(times[k] as number)))
  })
}

function isSample(wanted: number | undefined, found: string | undefined): boolean {
  if (wanted === undefined || found === undefined) return wanted === undefined && found === undefined
  return isClose(wanted, readValue(found))
}

function readValue(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}

function isClose(a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b)
  if (a === b) return true
  const gap = Math.abs(a - b)
  return gap <= TOLERANCE || gap / Math.max(Math.abs(a), Math.abs(b)) <= TOLERANCE
}
