/** "Did you mean": finds the name closest to a mistyped one. */

/**
 * The name with the smallest edit distance (insert, delete, replace, swap two neighbours), at most a third of the length
 * of `input`; undefined if none is that close. Ignores case.
 */
export function nearestName(input: string, names: readonly string[]): string | undefined {
  // A longer text is not a typing mistake, and the time is quadratic in the length.
  if (input.length > 100) return undefined
  let nearest: string | undefined
  let least = Math.max(1, Math.floor(input.length / 3)) + 1
  for (const name of names) {
    const edits = countEdits(input.toLowerCase(), name.toLowerCase())
    if (edits < least) {
      least = edits
      nearest = name
    }
  }
  return nearest
}

/** The optimal string alignment distance. */
function countEdits(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let edits = Math.min(replaced, (last[j] as number) + 1, (row[j - 1] as number) + 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) edits = Math.min(edits, (beforeLast[j - 2] as number) + 1)
      row.push(edits)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] as number
}
