/** A small body with very many tiny lines. */

import { gzipSync } from 'node:zlib'
import { type Attack, assertHolds, nowNs, pushJson } from './attack.ts'

/** Processor time without an answer: the bound is 50 ms on a quiet machine; this leaves room for a loaded one. */
const GAP_MS_MAX = 1000

/** The longest time between two answers of /healthz until `done`, ms. */
async function longestGap(url: string, done: Promise<unknown>): Promise<number> {
  let isDone = false
  void done.then(() => {
    isDone = true
  })
  let longest = 0
  while (!isDone) {
    const startedMs = performance.now()
    await (await fetch(`${url}/healthz`)).arrayBuffer()
    longest = Math.max(longest, performance.now() - startedMs)
  }
  return longest
}

export const tinyEntries: Attack = {
  name: 'tiny-entries',
  promise: `4,000,000 entries in one body of 300 KB stop the answers of others for less than ${GAP_MS_MAX} ms`,
  async run(field) {
    const { url } = await field.start()
    const entry = `["${nowNs()}",""],`
    const body = `{"streams":[{"stream":{"a":"b"},"values":[${entry.repeat(4_000_000).slice(0, -1)}]}]}`
    const gzip = new Uint8Array(gzipSync(body, { level: 9 }))
    const startedMs = performance.now()
    const push = pushJson(url, gzip, { headers: { 'content-encoding': 'gzip' } })
    const gap = await longestGap(url, push)
    const seen = `${gzip.length} bytes got ${await push} after ${(performance.now() - startedMs).toFixed(0)} ms, longest gap ${gap.toFixed(0)} ms`
    assertHolds(gap < GAP_MS_MAX, seen)
    return seen
  },
}
