/** Random numbers that are the same for the same seed: what a corpus and a crash test are repeated by. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to 1, 32 bits of it. The generator is mulberry32. */
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

  /** The first values far more often than the last, about as Zipf's law has it. */
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
