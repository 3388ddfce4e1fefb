/** An answer's body that is written piece by piece, so that no step of it is long. */

import { Buffer } from 'node:buffer'
import type { Slices } from '../../kit/slices.ts'

/** A body in the order of its pieces. */
export type Body = readonly Uint8Array[]

/** UTF-16 units of one piece; a single text may be longer. */
const PIECE_CHARS = 64 * 1024

export class BodyWriter {
  readonly #pieces: Uint8Array[] = []
  #text = ''

  /** True when a piece was finished: time to yield. */
  write(text: string): boolean {
    this.#text += text
    if (this.#text.length < PIECE_CHARS) return false
    this.#flush()
    return true
  }

  /** Items between commas. */
  *writeList<T>(items: Iterable<T>, format: (item: T) => string): Slices<void> {
    let isFirst = true
    for (const item of items) {
      if (this.write(isFirst ? format(item) : `,${format(item)}`)) yield
      isFirst = false
    }
  }

  finish(): Body {
    this.#flush()
    return this.#pieces
  }

  #flush(): void {
    if (this.#text !== '') this.#pieces.push(Buffer.from(this.#text))
    this.#text = ''
  }
}

export function bodyOf(text: string): Body {
  return [Buffer.from(text)]
}

export function bodyBytes(body: Body): number {
  return body.reduce((sum, { length }) => sum + length, 0)
}
