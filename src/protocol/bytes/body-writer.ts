/** Writes a response body in pieces, so that no step takes long. */

import { Buffer } from 'node:buffer'
import type { Slices } from '../../kit/slices.ts'

/** A body as a list of pieces. */
export type Body = readonly Uint8Array[]

/** Size of a piece in UTF-16 units; a single text may be longer. */
const PIECE_CHARS = 64 * 1024

export class BodyWriter {
  readonly #pieces: Uint8Array[] = []
  #text = ''

  /** True if a piece was completed: time to yield. */
  write(text: string): boolean {
    this.#text += text
    if (this.#text.length < PIECE_CHARS) return false
    this.#flush()
    return true
  }

  /** Writes items separated by commas. */
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
