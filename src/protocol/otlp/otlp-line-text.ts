/** The bytes of the lines of an OTLP request: the request's own, followed by texts that had to be created. */

const UTF8 = new TextEncoder()

export class LineText {
  readonly #base: Uint8Array
  #added: Uint8Array = new Uint8Array(0)
  #addedEnd = 0

  /** `base`: bytes that contain lines in place. */
  constructor(base: Uint8Array) {
    this.#base = base
  }

  /** Adds a text and returns its position. */
  add(text: string): { readonly start: number; readonly end: number } {
    const start = this.#base.length + this.#addedEnd
    if (text !== '') this.#encode(text)
    return { start, end: this.#base.length + this.#addedEnd }
  }

  /** All bytes; nothing may be added afterwards. */
  bytes(): Uint8Array {
    if (this.#addedEnd === 0) return this.#base
    if (this.#base.length === 0) return this.#added.subarray(0, this.#addedEnd)
    const bytes = new Uint8Array(this.#base.length + this.#addedEnd)
    bytes.set(this.#base)
    bytes.set(this.#added.subarray(0, this.#addedEnd), this.#base.length)
    return bytes
  }

  #encode(text: string): void {
    // A UTF-16 unit takes at most three bytes; the exact length of short texts does not matter.
    const needed = this.#addedEnd + (text.length < 4096 ? text.length * 3 : Buffer.byteLength(text))
    if (needed > this.#added.length) {
      const larger = new Uint8Array(Math.max(needed, this.#added.length * 2, 4096))
      larger.set(this.#added.subarray(0, this.#addedEnd))
      this.#added = larger
    }
    this.#addedEnd += UTF8.encodeInto(text, this.#added.subarray(this.#addedEnd)).written
  }
}
