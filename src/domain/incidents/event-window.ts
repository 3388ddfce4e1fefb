/** Which events were counted: their ids as 8 bytes each, in windows of the events' own times. */

import { murmur128Words } from '../../kit/murmur3.ts'
import type { IncidentEvent } from './incident.ts'

/** The same event always falls in the same window, so that one look tells whether it was counted. */
const WINDOW_MS = 10_000
/** Ids of one window; events beyond are counted each time they are told. */
export const WINDOW_EVENTS_MAX = 65_536
/** Events that one change may count: what a store can look up and write in one go. */
export const CHANGE_EVENTS_MAX = 5_000

const ID_BYTES = 8
const UTF8 = new TextEncoder()

/** The number of the window that holds `ms`. */
export function windowOf(ms: number): number {
  return Math.floor(ms / WINDOW_MS)
}

/** Where a window ends, ms since the epoch. */
export function windowEndMs(window: number): number {
  return (window + 1) * WINDOW_MS
}

/** Looks up and adds the ids of one window. Its bytes are 8 an id, the first half of the id's MurmurHash3. */
export class EventWindow {
  /** Ids as shortId gives them. */
  readonly #known = new Set<string>()
  readonly #limit: number
  #bytes: Uint8Array

  constructor(bytes: Uint8Array = new Uint8Array(0), limit = WINDOW_EVENTS_MAX) {
    this.#bytes = bytes
    this.#limit = limit
    for (let at = 0; at + ID_BYTES <= bytes.length; at += ID_BYTES) this.#known.add(readId(bytes, at))
  }

  has(id: string): boolean {
    return this.hasShort(shortId(id))
  }

  hasShort(short: string): boolean {
    return this.#known.has(short)
  }

  /** Adds what is not there yet. */
  add(ids: readonly string[]): void {
    this.addShort(ids.map(shortId))
  }

  addShort(shorts: readonly string[]): void {
    const added: string[] = []
    for (const short of shorts) {
      if (this.#known.has(short) || this.#known.size >= this.#limit) continue
      this.#known.add(short)
      added.push(short)
    }
    const bytes = new Uint8Array(this.#bytes.length + added.length * ID_BYTES)
    bytes.set(this.#bytes)
    for (const [i, short] of added.entries()) writeId(bytes, this.#bytes.length + i * ID_BYTES, short)
    this.#bytes = bytes
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }
}

/** Half of the hash as four UTF-16 units: what a Set finds fastest. */
function shortId(id: string): string {
  const [high, low] = murmur128Words(UTF8.encode(id))
  return String.fromCharCode(high >>> 16, high & 0xffff, low >>> 16, low & 0xffff)
}

function readId(bytes: Uint8Array, at: number): string {
  const unit = (i: number): number => ((bytes[at + i] as number) << 8) | (bytes[at + i + 1] as number)
  return String.fromCharCode(unit(0), unit(2), unit(4), unit(6))
}

function writeId(bytes: Uint8Array, at: number, short: string): void {
  for (let i = 0; i < ID_BYTES; i += 2) {
    const unit = short.charCodeAt(i / 2)
    bytes[at + i] = unit >>> 8
    bytes[at + i + 1] = unit & 0xff
  }
}

/** The windows of some events while one change is decided. */
export class EventWindows {
  readonly #windows = new Map<number, EventWindow>()
  /** Of ids that were asked for, so that they are hashed once. */
  readonly #shorts = new Map<string, string>()

  /** `load` gives the bytes of a window, if there are any. */
  constructor(events: readonly Pick<IncidentEvent, 'ms'>[], load: (window: number) => Uint8Array | undefined) {
    for (const { ms } of events) {
      const window = windowOf(ms)
      if (!this.#windows.has(window)) this.#windows.set(window, new EventWindow(load(window)))
    }
  }

  isFresh({ id, ms }: Pick<IncidentEvent, 'id' | 'ms'>): boolean {
    return this.#windows.get(windowOf(ms))?.hasShort(this.#shortOf(id)) !== true
  }

  /** Adds the events and gives the windows as they are to be written. */
  take(events: readonly Pick<IncidentEvent, 'id' | 'ms'>[]): readonly (readonly [window: number, bytes: Uint8Array])[] {
    const shorts = new Map<number, string[]>()
    for (const { id, ms } of events) {
      const window = windowOf(ms)
      const known = shorts.get(window)
      if (known === undefined) shorts.set(window, [this.#shortOf(id)])
      else known.push(this.#shortOf(id))
    }
    return [...shorts].map(([number, added]) => {
      const window = this.#windows.get(number) ?? new EventWindow()
      window.addShort(added)
      return [number, window.bytes] as const
    })
  }

  #shortOf(id: string): string {
    const known = this.#shorts.get(id)
    if (known !== undefined) return known
    const short = shortId(id)
    this.#shorts.set(id, short)
    return short
  }
}
