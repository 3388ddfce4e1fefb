/** A set of small integers, in a bit each: for ids that are given in ascending order. */

/** Ids in one piece of memory. */
const PIECE_IDS = 32_768

/** The memory is 4 KiB for each range of 32,768 ids that has a member. Ids are integers from 0 to 2^53. */
export class IdSet {
  readonly #pieces = new Map<number, Uint8Array>()

  has(id: number): boolean {
    const bits = this.#pieces.get(Math.floor(id / PIECE_IDS))
    return bits !== undefined && ((bits[(id % PIECE_IDS) >>> 3] as number) & (1 << (id & 7))) !== 0
  }

  add(id: number): void {
    const piece = Math.floor(id / PIECE_IDS)
    let bits = this.#pieces.get(piece)
    if (bits === undefined) {
      bits = new Uint8Array(PIECE_IDS / 8)
      this.#pieces.set(piece, bits)
    }
    const at = (id % PIECE_IDS) >>> 3
    bits[at] = (bits[at] as number) | (1 << (id & 7))
  }
}
