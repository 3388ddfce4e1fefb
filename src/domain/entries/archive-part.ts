/** What the archive's objects are made of: entries of one hour, as bytes that can be joined. */

/** Entries of one hour that came in one message. */
export interface ArchivePart {
  /** Hours since the epoch. */
  readonly hour: number
  /** Times of the oldest and the newest entry, in nanoseconds since the epoch. */
  readonly oldest: bigint
  readonly newest: bigint
  readonly entries: number
  /** Bytes of the lines, uncompressed. */
  readonly lineBytes: number
  /** Whole lines, as gzip members: parts may be put one behind the other. */
  readonly content: Uint8Array
  /** The same for the same content. */
  readonly digest: string
}
