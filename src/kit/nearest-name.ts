/** "Did you mean": the known name that a mistyped one stands nearest to. */

/**
 * The name within a third of `given`'s length in edits (insert, delete, replace, swap two neighbours), the nearest
 * first; undefined when none is that near. Case counts for nothing.
 */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  // Longer texts are no typing error, and the time grows with the square of the length.
  if (given.length > 100) return undefined
  let nearest: string | undefined
  let least = Math.max(1, Math.floor(given.length / 3)) + 1
  for (const name of names) {
    const edits = countEdits(given.toLowerCase(), name.toLowerCase())
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
