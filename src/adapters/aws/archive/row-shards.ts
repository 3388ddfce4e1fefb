/**
 * Over how many partitions the rows of ten minutes are spread: more after throttles, fewer after quiet time. The number belongs to the ten
 * minutes of arrival and is never lowered for them, so that a reader of those rows asks neither too few partitions nor any that stand empty.
 */

import { GatewayError } from '../../../domain/errors.ts'

/** Each partition takes 1,000 write units a second. */
const STEPS: readonly number[] = [1, 8, 32, 128]
/** Ten minutes for which a step lasts: an hour of further arrivals decides anew. */
const STEP_SPANS = 6

/** Rows of the ten minutes `from` to `until`, both included, may be on as many partitions as `shards`. */
export interface ShardRaise {
  readonly from: number
  readonly until: number
  readonly shards: number
}

/** Over how many partitions the rows of these ten minutes may be spread. */
export function shardsAt(raises: readonly ShardRaise[], span: number): number {
  return Math.max(1, ...raises.filter((raise) => covers(raise, span)).map(({ shards }) => shards))
}

/**
 * The raises after rows of `span` were throttled: the next step for an hour, then each lower step for an hour. The same where there is no
 * higher step. Those that no read needs any more, since all before `sealed` is in files, are left out.
 */
export function raisedAt(
  raises: readonly ShardRaise[],
  { span, sealed }: { span: number; sealed: number },
): readonly ShardRaise[] {
  const step = STEPS.indexOf(shardsAt(raises, span)) + 1
  if (step >= STEPS.length) return raises
  const added: ShardRaise[] = []
  for (let each = step; each > 0; each--) {
    const until = span + (step - each + 1) * STEP_SPANS - 1
    added.push({ from: span, until, shards: STEPS[each] as number })
  }
  return joinRaises([...raises.filter(({ until }) => until >= sealed), ...added])
}

/** All raises of both readings of a bucket's state: a later one may have forgotten what an earlier read needs. */
export function joinRaises(raises: readonly ShardRaise[]): readonly ShardRaise[] {
  const joined: ShardRaise[] = []
  for (const raise of raises.toSorted((a, b) => a.shards - b.shards || a.from - b.from)) {
    const last = joined.at(-1)
    if (last === undefined || last.shards !== raise.shards || last.until + 1 < raise.from) joined.push(raise)
    else joined[joined.length - 1] = { ...last, until: Math.max(last.until, raise.until) }
  }
  return joined
}

/** As the text of an attribute, which a condition can compare. */
export function formatRaises(raises: readonly ShardRaise[]): string {
  return raises.map(({ from, until, shards }) => `${from}-${until}:${shards}`).join(' ')
}

/** Throws store_damaged for a text that formatRaises did not write. */
export function parseRaises(text: string): readonly ShardRaise[] {
  if (text === '') return []
  return text.split(' ').map((part) => {
    const [, from, until, shards] = /^(\d+)-(\d+):(\d+)$/.exec(part) ?? []
    if (from === undefined) {
      const advice = 'restore the item of the bucket from a backup'
      throw new GatewayError('store_damaged', `the shards of an archive bucket cannot be read; ${advice}`)
    }
    return { from: Number(from), until: Number(until), shards: Number(shards) }
  })
}

function covers({ from, until }: ShardRaise, span: number): boolean {
  return from <= span && span <= until
}
