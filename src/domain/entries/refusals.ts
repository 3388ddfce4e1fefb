/** The refusals of a push: counted by reason, with error texts grouped like Loki's. */

import { REFUSAL_TEXTS_MAX, REFUSALS_FORMATTED_MAX } from '../limits.ts'

/**
 * Reasons of refusals with their HTTP statuses. The names are Loki's reasons for discarded samples
 * (pkg/validation/validate.go); they are metric labels and JSON fields.
 */
export const REFUSAL_STATUS = {
  line_too_long: 400,
  greater_than_max_sample_age: 400,
  too_far_in_future: 400,
  invalid_timestamp: 400,
  invalid_record: 400,
  max_label_names_per_series: 400,
  label_name_too_long: 400,
  label_value_too_long: 400,
  duplicate_label_names: 400,
  missing_labels: 400,
  invalid_labels: 400,
  missing_enforced_labels: 400,
  structured_metadata_disallowed: 400,
  structured_metadata_too_large: 400,
  structured_metadata_too_many: 400,
  per_stream_rate_limit: 429,
  stream_limit: 429,
  rate_limited: 429,
} as const

export type RefusalReason = keyof typeof REFUSAL_STATUS

export interface Refusal {
  readonly reason: RefusalReason
  readonly text: string
}

/** The refusals of one push. The number of distinct texts is bounded; the counts are complete. */
export class Refusals {
  readonly #entriesByReason = new Map<RefusalReason, number>()
  readonly #countByText = new Map<string, number>()
  /** The last refusal: that of the entry just added. */
  last: Refusal | undefined
  #texts = 0
  #entries = 0

  /**
   * Adds an error text for `entries` lines (0 for a stream without lines). A text that differs for each line is passed
   * as a function: after REFUSALS_FORMATTED_MAX calls the lines are only counted.
   */
  add(reason: RefusalReason, text: string | (() => string), entries = 1): void {
    this.#texts++
    if (typeof text === 'string') this.#report({ reason, text }, entries)
    else if (this.#texts <= REFUSALS_FORMATTED_MAX) this.#report({ reason, text: text() }, entries)
    else this.count({ reason, text: `${reason}, as further lines of this push` }, entries)
  }

  #report(refusal: Refusal, entries: number): void {
    this.count(refusal, entries)
    const { text } = refusal
    const seen = this.#countByText.get(text)
    if (seen !== undefined || this.#countByText.size < REFUSAL_TEXTS_MAX) this.#countByText.set(text, (seen ?? 0) + 1)
  }

  /** Counts further lines under a refusal whose text was already added or is returned elsewhere. */
  count(refusal: Refusal, entries: number): void {
    const { reason } = refusal
    this.last = refusal
    this.#entries += entries
    this.#entriesByReason.set(reason, (this.#entriesByReason.get(reason) ?? 0) + entries)
  }

  get isEmpty(): boolean {
    return this.#texts === 0
  }

  /** Number of refused lines. */
  get entries(): number {
    return this.#entries
  }

  get byReason(): ReadonlyMap<RefusalReason, number> {
    return this.#entriesByReason
  }

  /** 429 if every reason is a limit that a retry can pass; 400 if a part can never be accepted. */
  get status(): 400 | 429 {
    for (const reason of this.#entriesByReason.keys()) if (REFUSAL_STATUS[reason] === 400) return 400
    return 429
  }

  /** Loki's text: a single distinct error as it is, several as `N errors like: text; M errors like: text`. */
  get text(): string {
    const texts = [...this.#countByText]
    const reported = texts.reduce((sum, [, count]) => sum + count, 0)
    if (texts.length === 1 && reported === this.#texts) return (texts[0] as [string, number])[0]
    const groups = texts.map(([text, count]) => `${count} errors like: ${text}`)
    if (reported < this.#texts) groups.push(`${this.#texts - reported} other errors`)
    return groups.join('; ')
  }
}
