/** Searches names in stored metadata without creating strings. */

import { DETECTED_LEVEL } from '../../domain/levels/level.ts'
import { EXTRACTED_SUFFIX } from '../pipeline/label-set.ts'

/** See readMetadata for the byte format. */
export class MetadataNames {
  readonly #texts: ReadonlySet<string>
  readonly #names: readonly Uint8Array[]

  /** True if the names include the level: known levels are a column, not metadata. */
  readonly haveLevel: boolean

  /** `labels` as a query names them: `x_extracted` may come from metadata of the name x. */
  constructor(labels: Iterable<string>) {
    const names = [...labels].flatMap((label) =>
      label.endsWith(EXTRACTED_SUFFIX) ? [label, label.slice(0, -EXTRACTED_SUFFIX.length)] : [label],
    )
    this.haveLevel = names.includes(DETECTED_LEVEL)
    this.#texts = new Set(names)
    this.#names = [...this.#texts].map((name) => new TextEncoder().encode(name))
  }

  /** True if one of the names is in the list. */
  areAmong(names: readonly string[]): boolean {
    return names.some((name) => this.#texts.has(name))
  }

  /** True if the metadata bytes [start, end) have a pair with one of the names. */
  areIn(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start
    for (let isName = true; at < end; isName = !isName) {
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++] as number
        length |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      if (isName && this.#isOne(bytes, at, length)) return true
      at += length
    }
    return false
  }

  #isOne(bytes: Uint8Array, at: number, length: number): boolean {
    for (const name of this.#names) {
      if (name.length !== length) continue
      let i = 0
      while (i < length && bytes[at + i] === name[i]) i++
      if (i === length) return true
    }
    return false
  }
}
