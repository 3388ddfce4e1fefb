/** The sizes of blocks at which they are joined, and have filters. */

/** Smaller ones are joined soon, and fast to read: they get no filter. */
const FILTERED_PART = 8

/** Line bytes below which a block is joined with others. */
export function joinedBelow(blockBytes: number): number {
  return Math.floor(blockBytes / 2)
}

/** Line bytes from which a block has a filter. */
export function filteredFrom(blockBytes: number): number {
  return Math.ceil(blockBytes / FILTERED_PART)
}
