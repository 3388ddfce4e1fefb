/** Parts of archive objects: entries of one hour, as bytes that can be concatenated. */

/** Entries of one hour from one message. */
export interface ArchivePart {
  /** Hours since the epoch. */
  readonly hour: number
  /** Times of the oldest and the newest entry, in nanoseconds since the epoch. */
  readonly oldest: bigint
  readonly newest: bigint
  readonly entries: number
  /** Bytes of the lines, uncompressed. */
  readonly lineBytes: number
  /** Complete lines, as gzip members: parts can be concatenated. */
  readonly content: Uint8Array
  /** A hash of the content: equal for equal content. */
  readonly digest: string
}
