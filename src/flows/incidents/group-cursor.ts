/** How far a log group was read, as the text that the incident store keeps. */

export interface GroupCursor {
  /** Events before were read, ms since the epoch. */
  readonly ms: number
  /** Hashes of events near that time that were counted, the newest last: 16 hexadecimal digits each. */
  readonly seen: readonly string[]
}

const HASH_CHARS = 16

/** The time, a space, and the hashes one behind the other. */
export function formatGroupCursor({ ms, seen }: GroupCursor): string {
  return `${ms} ${seen.join('')}`
}

/** A text without hashes, as earlier versions wrote it, is a cursor too. */
export function parseGroupCursor(text: string): GroupCursor {
  const [ms = '0', hashes = ''] = text.split(' ')
  const seen = Array.from({ length: Math.floor(hashes.length / HASH_CHARS) }, (_, i) =>
    hashes.slice(i * HASH_CHARS, (i + 1) * HASH_CHARS),
  )
  return { ms: Number(ms), seen }
}
