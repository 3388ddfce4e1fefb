/** The position up to which a log group was read, as text in the incident store. */

export interface GroupCursor {
  /** Events before this time were read, ms since the epoch. */
  readonly ms: number
  /** Hashes of the counted events near that time, the newest last: 16 hexadecimal digits each. */
  readonly seen: readonly string[]
}

const HASH_CHARS = 16

/** The time, a space, and the concatenated hashes. */
export function formatGroupCursor({ ms, seen }: GroupCursor): string {
  return `${ms} ${seen.join('')}`
}

/** Also accepts a text without hashes, the format of earlier versions. */
export function parseGroupCursor(text: string): GroupCursor {
  const [ms = '0', hashes = ''] = text.split(' ')
  const seen = Array.from({ length: Math.floor(hashes.length / HASH_CHARS) }, (_, i) =>
    hashes.slice(i * HASH_CHARS, (i + 1) * HASH_CHARS),
  )
  return { ms: Number(ms), seen }
}
