/** How far a read looked that stops before the end of its range. */

export interface Looked {
  readonly lines: number
  /** The oldest line that was read, in nanoseconds; undefined where there was none. */
  readonly oldestNs: bigint | undefined
  /** False where there may be lines in the range that were not read. */
  readonly isWhole: boolean
}
