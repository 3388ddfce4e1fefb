/** Which events were counted: their ids as 8 bytes each, in windows of the events' own times. */

import type { ObservedEvent } from './incident.ts'
import { murmur128 } from './murmur3.ts'

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
  readonly #known = new Set<string>()
  readonly #limit: number
  #bytes: Uint8Array

  constructor(bytes: Uint8Array = new Uint8Array(0), limit = WINDOW_EVENTS_MAX) {
    this.#bytes = bytes
    this.#limit = limit
    for (let at = 0; at + ID_BYTES <= bytes.length; at += ID_BYTES) {
      this.#known.add(String.fromCharCode(...bytes.subarray(at, at + ID_BYTES)))
    }
  }

  has(id: string): boolean {
    return this.#known.has(shortId(id))
  }

  /** Adds what is not there yet. */
  add(ids: readonly string[]): void {
    const added: string[] = []
    for (const id of ids) {
      const short = shortId(id)
      if (this.#known.has(short) || this.#known.size >= this.#limit) continue
      this.#known.add(short)
      added.push(short)
    }
    const bytes = new Uint8Array(this.#bytes.length + added.length * ID_BYTES)
    bytes.set(this.#bytes)
    for (const [i, short] of added.entries()) {
      for (let k = 0; k < ID_BYTES; k++) bytes[this.#bytes.length + i * ID_BYTES + k] = short.charCodeAt(k)
    }
    this.#bytes = bytes
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }
}

/** Eight characters of one byte each. */
function shortId(id: string): string {
  const hex = murmur128(UTF8.encode(id))
  let short = ''
  for (let i = 0; i < ID_BYTES; i++) short += String.fromCharCode(Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
  return short
}

/** The windows of some events while one change is decided. */
export class EventWindows {
  readonly #windows = new Map<number, EventWindow>()

  /** `load` gives the bytes of a window, if there are any. */
  constructor(events: readonly Pick<ObservedEvent, 'ms'>[], load: (window: number) => Uint8Array | undefined) {
    for (const { ms } of events) {
      const window = windowOf(ms)
      if (!this.#windows.has(window)) this.#windows.set(window, new EventWindow(load(window)))
    }
  }

  isFresh({ id, ms }: Pick<ObservedEvent, 'id' | 'ms'>): boolean {
    return this.#windows.get(windowOf(ms))?.has(id) !== true
  }

  /** Adds the events and gives the windows as they are to be written. */
  take(events: readonly Pick<ObservedEvent, 'id' | 'ms'>[]): readonly (readonly [window: number, bytes: Uint8Array])[] {
    const ids = new Map<number, string[]>()
    for (const { id, ms } of events) {
      const window = windowOf(ms)
      const known = ids.get(window)
      if (known === undefined) ids.set(window, [id])
      else known.push(id)
    }
    return [...ids].map(([number, added]) => {
      const window = this.#windows.get(number) ?? new EventWindow()
      window.add(added)
      return [number, window.bytes] as const
    })
  }
}
