/** Lines as they are accepted: a stream that goes on after the last nanosecond, or a query each two seconds. */

import { type Entry, entriesOf, keyOf, type Streams } from '../lines/entry.ts'
import { hasTails } from '../settings.ts'
import { askLines, nsOf } from './loki.ts'
import { addressOf, isAbort, send, wordsOf } from './request.ts'

export interface TailSink {
  /** Lines not seen before, the newest first, and how many the gateway left out. */
  readonly lines: (entries: readonly Entry[], dropped: number) => void
  /** Undefined when it goes well again. */
  readonly trouble: (words: string | undefined) => void
}

interface Frame {
  readonly streams?: Streams
  readonly dropped_entries?: readonly unknown[] | null
  readonly error?: string
}

const AGAIN_MS = 1000
const POLL_MS = 2000
const POLL_LIMIT = 1000
const SEEN_MAX = 10_000

/** Follows the query until the signal is aborted; `from` is nanoseconds as text. */
export async function follow(query: string, from: string, sink: TailSink, signal: AbortSignal): Promise<void> {
  let last = from
  const seen = new Set<string>()
  const take = (entries: readonly Entry[], dropped: number): void => {
    const fresh = entries.filter((entry) => {
      const key = keyOf(entry)
      if (seen.has(key)) return false
      seen.add(key)
      return true
    })
    for (const key of seen) {
      if (seen.size <= SEEN_MAX) break
      seen.delete(key)
    }
    const newest = fresh[0]
    if (newest !== undefined && BigInt(newest.ns) > BigInt(last)) last = newest.ns
    if (fresh.length > 0 || dropped > 0) sink.lines(fresh, dropped)
  }
  while (!signal.aborted) {
    try {
      if (hasTails) await readStream(query, last, take, sink, signal)
      else {
        const end = nsOf(Date.now() + 1000)
        take(
          (await askLines({ query, start: last, end, limit: POLL_LIMIT, direction: 'backward' }, { signal })).entries,
          0,
        )
        sink.trouble(undefined)
      }
    } catch (error) {
      if (signal.aborted || isAbort(error)) return
      sink.trouble(wordsOf(error))
    }
    await pause(hasTails ? AGAIN_MS : POLL_MS, signal)
  }
}

async function readStream(
  query: string,
  start: string,
  take: (entries: readonly Entry[], dropped: number) => void,
  sink: TailSink,
  signal: AbortSignal,
): Promise<void> {
  const response = await send(addressOf('loki/api/v1/tail/stream', { query, limit: 100, start }), { signal })
  sink.trouble(undefined)
  if (response.body === null) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const lines = (rest + value).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') continue
      const frame = JSON.parse(line) as Frame
      if (frame.error !== undefined) throw new Error(frame.error)
      take(entriesOf(frame.streams ?? [], 'backward'), frame.dropped_entries?.length ?? 0)
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
