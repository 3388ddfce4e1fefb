/** What an entry must contain so that a query can use it: for stores that skip blocks without it. */

/** A text that the line, or a value of the structured metadata, contains. */
export interface Needle {
  /** UTF-8; not empty. */
  readonly bytes: Uint8Array
  /** True: any text that RE2's flag i takes for the same. */
  readonly ignoresCase: boolean
  /**
   * Undefined: the line contains it. Otherwise the value of this label contains it: the stream has the label, or the
   * entry's metadata has the value, possibly under another name.
   */
  readonly label: string | undefined
}

/** An entry without any of these needles is of no use; never empty. */
export type TextNeed = readonly Needle[]
