/** One tenant that asks much at once, and another that pushes and asks little. */

import { gzipSync } from 'node:zlib'
import { Random } from '../support/random.ts'
import { type Attack, assertHolds, nowNs, pushJson } from './attack.ts'

const FILL_PUSHES = 60
const FILL_LINES = 8000
const QUERIES = 32
const IDLE_MS = 3000
const NOISY_MS = 15_000
/** In place of a ratio, which a loaded machine changes. */
const SLOWEST_MS_MAX = 2000

const NOISY = 'noisy'
const QUIET = 'quiet'

/** Queries that read every line, and that no filter or summary answers. */
const HEAVY = [
  '{app="shop"} |~ "(?i)no (line|one)+ says th(is|at)"',
  '{app="shop"} | logfmt | nothing="x"',
  'quantile_over_time(0.99, {app="shop"} | logfmt | unwrap took | __error__="" [10m]) by (user)',
  'sum by (user) (count_over_time({app="shop"} | logfmt [1m]))',
]

function fillBody(random: Random, push: number): Uint8Array<ArrayBuffer> {
  const values = Array.from({ length: FILL_LINES }, (_, i) => [
    nowNs(-(push * FILL_LINES + i) * 1000),
    `level=info msg="order ${random.hex(12)}" user=${random.integer(500)} took=${random.integer(9000)} path=/${random.hex(6)}`,
  ])
  return new Uint8Array(gzipSync(JSON.stringify({ streams: [{ stream: { app: 'shop' }, values }] }), { level: 1 }))
}

/** Asks again and again until `isOver`; resolves to the number of answers. */
async function askUntil(url: string, query: string, isOver: () => boolean): Promise<number> {
  const range = { start: nowNs(-3_600_000_000_000), end: nowNs(60_000_000_000), step: '15', limit: '100' }
  let answers = 0
  while (!isOver()) {
    // Comments differ, so that no answer comes from the cache.
    const params = new URLSearchParams({ query: `${query} # ${Math.random()}`, ...range })
    const response = await fetch(`${url}/loki/api/v1/query_range?${params}`, { headers: { 'x-scope-orgid': NOISY } })
    await response.arrayBuffer()
    answers++
  }
  return answers
}

interface Waits {
  readonly push: number
  readonly query: number
}

/** The longest waits of the quiet tenant for a push and for a query within `ms`, ms. */
async function watchQuiet(url: string, ms: number): Promise<Waits> {
  const untilMs = performance.now() + ms
  let [push, query] = [0, 0]
  const timed = async (act: () => Promise<unknown>): Promise<number> => {
    const startedMs = performance.now()
    await act()
    return performance.now() - startedMs
  }
  while (performance.now() < untilMs) {
    const line = JSON.stringify({ streams: [{ stream: { app: 'quiet' }, values: [[nowNs(), 'a line']] }] })
    push = Math.max(push, await timed(() => pushJson(url, line, { tenant: QUIET })))
    query = Math.max(
      query,
      await timed(async () => {
        const address = `${url}/loki/api/v1/query_range?query=${encodeURIComponent('{app="quiet"}')}`
        await (await fetch(address, { headers: { 'x-scope-orgid': QUIET } })).arrayBuffer()
      }),
    )
  }
  return { push, query }
}

const shown = ({ push, query }: Waits): string => `push ${push.toFixed(0)} ms, query ${query.toFixed(0)} ms`

export const noisyTenant: Attack = {
  name: 'noisy-tenant',
  promise: `beside ${QUERIES} heavy queries of one tenant no push or query of another takes ${SLOWEST_MS_MAX / 1000} s`,
  async run(field) {
    const { url } = await field.start()
    const random = new Random(1)
    for (let push = 0; push < FILL_PUSHES; push++) {
      await pushJson(url, fillBody(random, push), { tenant: NOISY, headers: { 'content-encoding': 'gzip' } })
    }
    const idle = await watchQuiet(url, IDLE_MS)
    let isOver = false
    const noise = Promise.all(
      Array.from({ length: QUERIES }, (_, i) => askUntil(url, HEAVY[i % HEAVY.length] as string, () => isOver)),
    )
    const beside = await watchQuiet(url, NOISY_MS)
    isOver = true
    const answers = (await noise).reduce((sum, each) => sum + each, 0)
    const seen = `slowest idle: ${shown(idle)}; beside the queries: ${shown(beside)}; ${answers} heavy answers`
    assertHolds(Math.max(beside.push, beside.query) < SLOWEST_MS_MAX, seen)
    return seen
  },
}
