/** Random numbers from a seed, so that a corpus or a crash test can be repeated. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to 1, with 32 bits. The generator is mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 up to `below`. */
  integer(below: number): number {
    return Math.floor(this.next() * below)
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  pick<T>(values: readonly T[]): T {
    return values[this.integer(values.length)] as T
  }

  /** Prefers the first values, approximately by Zipf's law. */
  zipf<T>(values: readonly T[]): T {
    return values[Math.min(values.length - 1, Math.floor((values.length + 1) ** this.next()) - 1)] as T
  }

  hex(digits: number): string {
    let text = ''
    while (text.length < digits)
      text += this.integer(2 ** 16)
        .toString(16)
        .padStart(4, '0')
    return text.slice(0, digits)
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.integer(256))
  }
}
