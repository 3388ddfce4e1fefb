/** What damage to stored blocks has cost. */

/** Entries of one tenant that are lost. */
export interface Loss {
  /** Its name, or its number if the name is lost too; undefined if nothing is known of the blocks. */
  readonly tenant: string | undefined
  readonly blocks: number
  readonly entries: number
  /** Blocks whose number of entries is not known, so that `entries` does not include them. */
  readonly blocksUncounted: number
  readonly streams: number
  /** The range of their times in ns, both included; undefined if it is not known. */
  readonly oldest: bigint | undefined
  readonly newest: bigint | undefined
}
