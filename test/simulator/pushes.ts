/** Makes the pushes of clients: few streams and times, so that repeats, equal times and late lines are common. */

import type { PlainEntry, PlainStream } from '../support/helper.ts'
import type { Random } from '../support/random.ts'
import type { PushRequest } from './gateway.ts'
import { Entry } from './model.ts'
import { type Action, APPS, WORD } from './plan.ts'

export interface MadePush {
  readonly number: number
  readonly request: Omit<PushRequest, 'streams'>
  /** The push at this wall time: the gateway sets the times of a program's lines. */
  readonly streams: (nowMs: number) => readonly PlainStream[]
  readonly entries: readonly Entry[]
}

interface Circumstances {
  readonly nowMs: number
  readonly number: number
  /** Earlier pushes. */
  readonly earlier: readonly Entry[]
}

const MS = 1_000_000n
const FUTURE_MS = 48 * 3600_000
const LATE_MS_MAX = 3 * 3600_000
const COARSE_MS = 20_000
/** More than the limit of a line in the simulation. */
const LONG = 3100

export function makePush(
  action: Extract<Action, { kind: 'push' }>,
  random: Random,
  { nowMs, number, earlier }: Circumstances,
): MadePush {
  const isProgram = action.client === 'program'
  const streams = new Map<string, { labels: Record<string, string>; entries: PlainEntry[] }>()
  const entries: Entry[] = []
  const add = (labels: Record<string, string>, entry: PlainEntry, isWrong: boolean): void => {
    const key = JSON.stringify(labels)
    const stream = streams.get(key) ?? { labels, entries: [] }
    streams.set(key, stream)
    const made = new Entry(action.tenant, stream, entry, isWrong)
    if (entries.some(({ name }) => name === made.name)) return
    stream.entries.push(entry)
    entries.push(made)
  }
  const isLate = random.chance(0.25)
  // Clocks of some clients are so coarse that lines of several pushes have the same time.
  const baseMs = random.chance(0.4) ? Math.floor(nowMs / COARSE_MS) * COARSE_MS : nowMs
  for (let i = 0; i < action.lines; i++) {
    const app = random.zipf(APPS)
    const line = lineOf(isProgram ? 'program' : 'line', number, i, random)
    const lateMs = isLate && random.chance(0.5) ? random.integer(LATE_MS_MAX) : 0
    const spreadMs = baseMs === nowMs ? random.integer(2) * random.integer(50) : 0
    const ns = BigInt(baseMs - lateMs + spreadMs) * MS + BigInt(random.integer(2))
    if (isProgram) add({ app, by: 'program' }, { ns, line, id: `${number}-${i}` }, false)
    else {
      const labels: Record<string, string> = random.chance(0.2) ? { app, env: 'x' } : { app }
      const wrong = action.isPartlyWrong && random.chance(0.3)
      if (!wrong) add(labels, { ns, line, ...(random.chance(0.2) && { metadata: { k: 'v' } }) }, false)
      else if (random.chance(0.5)) add(labels, { ns, line: line.padEnd(LONG, 'x') }, true)
      else add(labels, { ns: ns + BigInt(FUTURE_MS) * MS, line }, true)
    }
  }
  const own = earlier.filter(({ tenant, ns, isWrong }) => tenant === action.tenant && ns !== undefined && !isWrong)
  // Not older than the duplicate window.
  const recent = own.filter(({ ns }) => (ns as bigint) > BigInt(nowMs - 2 * LATE_MS_MAX) * MS)
  if (action.repeats && !isProgram && recent.length > 0) {
    for (let i = random.integer(4); i >= 0; i--) {
      const entry = random.pick(recent.slice(-40))
      const labels = Object.fromEntries(
        [...entry.key.matchAll(/(\w+)="(\w+)"/g)].map(([, name, value]) => [name, value]),
      )
      const metadata = Object.fromEntries(JSON.parse(entry.metadata) as [string, string][])
      add(labels as Record<string, string>, { ns: entry.ns as bigint, line: entry.line, metadata }, false)
    }
  }
  const made = [...streams.values()]
  return {
    number,
    request: { tenant: action.tenant, origin: isProgram ? 'logs' : 'push' },
    streams: (atMs) => (isProgram ? made.map((stream) => timedAt(stream, atMs)) : made),
    // In the order of the push, stream by stream.
    entries,
  }
}

function timedAt({ labels, entries }: PlainStream, atMs: number): PlainStream {
  return { labels, entries: entries.map((entry, i) => ({ ...entry, ns: BigInt(atMs) * MS + BigInt(i) })) }
}

function lineOf(kind: string, number: number, i: number, random: Random): string {
  const word = random.chance(0.3) ? ` ${WORD}` : ''
  const filler = random.chance(0.3) ? random.hex(random.integer(random.chance(0.2) ? 2500 : 200)) : ''
  return `${kind} ${number}.${i}${word} ${filler}`
}
