/**
 * Pushes a batch to a gateway or any Loki: retries temporary failures, and finds the lines that are rejected
 * permanently.
 */

import { GatewayError } from '../../domain/errors.ts'
import { type BackoffLimits, backoffMs, NO_CHANCE, type Wait } from '../../kit/backoff.ts'
import type { Batch } from './batches.ts'

/** What to push. */
export type PushedEntries = Pick<Batch, 'entries' | 'numbers'>

export interface PushTarget {
  /** The complete URL of the push endpoint. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** The outcome of a batch. */
export interface PushReport {
  readonly pushed: number
  /** Rejected lines whose number is known. */
  readonly rejected: readonly Rejected[]
  /** Further rejected lines, which the server counted. */
  readonly others: number
  /** Lines of pushes that the server rejected at least partly, without saying which: some may be stored. */
  readonly unknown: number
}

export interface Rejected {
  readonly number: number
  readonly reason: string
}

const ATTEMPTS_MAX = 8
/** 0.5 s doubling to 30 s: about a minute and a half in all. */
const RETRY: BackoffLimits = { firstMs: 500, maxMs: 30_000 }
/** Maximum number of rejected lines of a batch to find, because each takes several requests. */
const NAMED_MAX = 10
const REASON_CHARS_MAX = 300

const NOTHING: PushReport = { pushed: 0, rejected: [], others: 0, unknown: 0 }

/**
 * Pushes all entries; valid ones are stored even if others are rejected. Throws source_unavailable if the server cannot
 * be reached, returns 429 or 5xx to every attempt, or rejects the credentials.
 */
export async function pushBatch(target: PushTarget, batch: PushedEntries, wait: Wait): Promise<PushReport> {
  return pushPart(target, batch, { from: 0, to: batch.numbers.length }, wait, { named: 0 })
}

/**
 * Bisects a rejected part until its invalid lines are found. Lines that are pushed twice in the process are stored
 * once.
 */
async function pushPart(
  target: PushTarget,
  batch: PushedEntries,
  { from, to }: { readonly from: number; readonly to: number },
  wait: Wait,
  search: { named: number },
): Promise<PushReport> {
  const count = to - from
  if (count === 0) return NOTHING
  const response = await send(target, batch.entries.body(from, to), wait)
  if (response.isStored) return { ...NOTHING, pushed: count }
  if (count === 1) {
    search.named++
    return { ...NOTHING, rejected: [{ number: batch.numbers[from] as number, reason: response.text }] }
  }
  // Millrace returns how many it rejected; Loki does not.
  const { rejected } = response
  if (rejected !== undefined && search.named + rejected > NAMED_MAX) {
    return { ...NOTHING, pushed: count - rejected, others: rejected }
  }
  if (search.named >= NAMED_MAX) return { ...NOTHING, unknown: count }
  const middle = from + (count >> 1)
  const before = await pushPart(target, batch, { from, to: middle }, wait, search)
  const after = await pushPart(target, batch, { from: middle, to }, wait, search)
  return {
    pushed: before.pushed + after.pushed,
    rejected: [...before.rejected, ...after.rejected],
    others: before.others + after.others,
    unknown: before.unknown + after.unknown,
  }
}

interface PushResponse {
  readonly isStored: boolean
  readonly text: string
  readonly rejected?: number | undefined
}

async function send({ url, headers }: PushTarget, body: Uint8Array<ArrayBuffer>, wait: Wait): Promise<PushResponse> {
  for (let attempt = 1; ; attempt++) {
    const { status, text, isPermanent } = await post(url, headers, body)
    if (status >= 200 && status < 300) return { isStored: true, text }
    if (isPermanent === true) throw new GatewayError('source_unavailable', `${url} cannot be requested: ${text}`)
    const mayPass = status === 0 || status === 429 || status >= 500
    const cause = status === 0 ? text : `${status} ${text}`
    if (status === 401 || status === 403)
      throw new GatewayError('source_unavailable', `${url} rejected the credentials: ${cause}`)
    if (!mayPass) return { isStored: false, ...readRejection(text) }
    if (attempt === ATTEMPTS_MAX)
      throw new GatewayError('source_unavailable', `${url} did not accept the lines: ${cause}`)
    await wait(backoffMs(attempt, RETRY, NO_CHANCE))
  }
}

/** The status, or 0 if there was no response: permanently if fetch does not even try, as for a port of another protocol. */
async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array<ArrayBuffer>,
): Promise<{ status: number; text: string; isPermanent?: boolean }> {
  try {
    const response = await fetch(url, { method: 'POST', headers, body })
    return { status: response.status, text: (await response.text()).trim().slice(0, REASON_CHARS_MAX * 10) }
  } catch (error) {
    const { cause, message } = error as Error
    const why = cause instanceof Error ? cause : undefined
    // Faults of the network have a code.
    const isPermanent = why !== undefined && !('code' in why) && !('errors' in why)
    return { status: 0, text: why?.message || message, isPermanent }
  }
}

/** Millrace's counts as JSON, or the text of any Loki. */
function readRejection(text: string): { text: string; rejected?: number | undefined } {
  try {
    const { rejected, error } = JSON.parse(text)
    const reason = typeof error === 'string' ? error : String(error?.message ?? text)
    return { text: reason.slice(0, REASON_CHARS_MAX), rejected: typeof rejected === 'number' ? rejected : undefined }
  } catch {
    return { text: text.slice(0, REASON_CHARS_MAX) }
  }
}
