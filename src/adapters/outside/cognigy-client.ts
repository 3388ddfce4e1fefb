/** Fetches pages of Cognigy's log list over HTTP, with API key, timeouts, retries and a rate limit. */

import { GatewayError } from '../../domain/errors.ts'
import { backoffMs, type Wait } from '../../kit/backoff.ts'
import { TokenBucket } from '../../kit/token-bucket.ts'
import type { Clock } from '../../ports/log-store.ts'
import type { RequestBudget, SourceProject } from '../../ports/sources.ts'
import { type CognigyPage, parseCognigyPage, parseProblem } from '../../protocol/sources/cognigy-logs.ts'

export interface CognigySettings {
  /** Like `https://api-trial.cognigy.ai`, with or without a path. */
  readonly baseUrl: string
  readonly apiVersion: 'v2.0' | 'v2.1'
  /** Only entries of these levels; empty: all. */
  readonly levels: readonly string[]
  /** Requests of this process in five minutes; shared installations limit each address. */
  readonly requestsPerFiveMinutes: number
  /** Timeout for a request and its complete response, ms. */
  readonly timeoutMs: number
  /** Maximum size of a decompressed response. */
  readonly bodyBytesMax: number
}

export interface CognigyClientParts {
  readonly settings: CognigySettings
  /** Returns the API key; `isRefused` means that the previous one was rejected, so that a new one should be fetched. */
  readonly apiKey: (isRefused: boolean) => Promise<string>
  readonly clock: Clock
  readonly wait: Wait
  /** A signal that aborts after `ms`. */
  readonly signalAfter: (ms: number) => AbortSignal
  /** From 0 to below 1: spreads retries. */
  readonly random: () => number
}

export interface PageQuery {
  readonly limit: number
  readonly sort: 'timestamp:asc' | 'timestamp:desc'
  readonly startMs?: number | undefined
  readonly next?: string | undefined
  readonly skip?: number | undefined
}

/** `spent`: the budget does not allow the request. `refused`: the source rejected the parameters (400). */
export type PageAnswer = CognigyPage | 'spent' | 'refused'

/** Like the official client: three retries, doubling from one second. */
const RETRIES_MAX = 3
const BACKOFF = { firstMs: 2000, maxMs: 30_000, jitter: 1 }
const FIVE_MINUTES_SECONDS = 300
/** The share of the requests that may be sent in a burst; the rest is spread evenly, so that no window exceeds the limit. */
const BURST_SHARE = 0.2
const PROBLEM_BYTES_MAX = 64 * 1024

/** The outcome of an attempt: a response, or a failure with the Retry-After of the source. */
type Attempt =
  | { readonly answer: CognigyPage | 'refused' }
  | { readonly failure: GatewayError; readonly isFinal?: boolean; readonly retryAfterMs?: number | undefined }

export class CognigyClient {
  readonly #parts: CognigyClientParts
  readonly #rate: TokenBucket

  constructor(parts: CognigyClientParts) {
    this.#parts = parts
    const perWindow = parts.settings.requestsPerFiveMinutes
    const burst = Math.max(1, Math.floor(perWindow * BURST_SHARE))
    const perSecond = Math.max(perWindow - burst, 1) / FIVE_MINUTES_SECONDS
    this.#rate = new TokenBucket({ perSecond, burst }, parts.clock.monotonicMs())
  }

  /**
   * Fetches one page. Rejects with source_unavailable if four attempts fail or the source asks to wait longer than the run
   * may take, and with body_too_large if the page exceeds the setting.
   */
  async getPage(project: SourceProject, query: PageQuery, budget: RequestBudget): Promise<PageAnswer> {
    const { clock, wait, random } = this.#parts
    const url = this.#urlOf(project, query)
    for (let attempt = 1; ; attempt++) {
      if (!(await this.#mayAsk(budget))) return 'spent'
      const result = await this.#ask(url, budget)
      if ('answer' in result) return result.answer
      const delayMs = Math.max(result.retryAfterMs ?? 0, Math.ceil(backoffMs(attempt, BACKOFF, random)))
      if (result.isFinal || attempt > RETRIES_MAX || clock.monotonicMs() + delayMs > budget.untilMs)
        throw result.failure
      await wait(delayMs)
    }
  }

  #urlOf(project: SourceProject, { limit, sort, startMs, next, skip }: PageQuery): URL {
    const { baseUrl, apiVersion, levels } = this.#parts.settings
    const base = baseUrl.replace(/\/+$/, '')
    const url = new URL(`${base}/new/${apiVersion}/projects/${encodeURIComponent(project.id)}/logs`)
    url.searchParams.set('limit', String(limit))
    url.searchParams.set('sort', sort)
    if (startMs !== undefined) url.searchParams.set('startDate', new Date(startMs).toISOString())
    if (next !== undefined) url.searchParams.set('next', next)
    if (skip !== undefined) url.searchParams.set('skip', String(skip))
    for (const level of levels) url.searchParams.append('type', level)
    return url
  }

  /** Waits for the rate limit, at most until the end of the run. */
  async #mayAsk(budget: RequestBudget): Promise<boolean> {
    const { clock, wait } = this.#parts
    if (clock.monotonicMs() >= budget.untilMs || !budget.take()) return false
    const stepMs = Math.ceil(1000 / this.#rate.rate.perSecond)
    while (!this.#rate.take(1, clock.monotonicMs())) {
      if (clock.monotonicMs() + stepMs > budget.untilMs) return false
      await wait(stepMs)
    }
    return true
  }

  async #ask(url: URL, { untilMs }: RequestBudget): Promise<Attempt> {
    const { settings, apiKey, clock, signalAfter } = this.#parts
    // A request that outlasts its run would take the time that the run needs to store what it has.
    const timeoutMs = Math.min(settings.timeoutMs, Math.max(1, untilMs - clock.monotonicMs()))
    const key = await apiKey(false)
    let response: Response
    let body: Uint8Array
    try {
      response = await fetch(url, {
        headers: { 'X-API-Key': key, Accept: 'application/json', 'Accept-Encoding': 'gzip' },
        // Following a redirect would send the API key to another address.
        redirect: 'error',
        signal: signalAfter(timeoutMs),
      })
      body = await readBody(response, response.ok ? settings.bodyBytesMax : PROBLEM_BYTES_MAX)
    } catch (cause) {
      if (cause instanceof GatewayError) return { failure: cause, isFinal: true }
      return { failure: unavailable(url, `did not respond (${reasonOf(cause)})`, 'check the address and the network') }
    }
    if (response.ok) return readPage(body)
    if (response.status === 401) {
      const failure = unavailable(url, 'responded with 401', 'the API key was rejected; check COGNIGY_API_KEY')
      return { failure, isFinal: (await apiKey(true)) === key }
    }
    return refusedAttempt(url, response, body, clock.nowMs())
  }
}

function readPage(body: Uint8Array): Attempt {
  try {
    return { answer: parseCognigyPage(body) }
  } catch (cause) {
    // A truncated response is retried. A malformed one is retried as well, which costs three requests.
    if (cause instanceof GatewayError) return { failure: cause }
    throw cause
  }
}

function refusedAttempt(url: URL, response: Response, body: Uint8Array, nowMs: number): Attempt {
  const { status } = response
  const problem = parseProblem(body)
  const came = `responded with ${status}${problem === '' ? '' : ` (${problem})`}`
  if (status === 400) return { answer: 'refused' }
  if (status === 403 || status === 404) {
    const advice = 'check MILLRACE_POLL_PROJECTS, and that the owner of the API key may read the project'
    return { failure: unavailable(url, came, advice), isFinal: true }
  }
  const isPassing = status === 408 || status === 429 || (status >= 500 && status !== 511)
  return {
    failure: unavailable(url, came, isPassing ? 'the next run retries' : 'check MILLRACE_POLL_BASE_URL'),
    isFinal: !isPassing,
    retryAfterMs: parseRetryAfter(response.headers.get('retry-after'), nowMs),
  }
}

/** Converts seconds or an HTTP date to milliseconds from now; undefined for anything else. See RFC 9110, 10.2.3. */
export function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000
  const dateMs = Date.parse(value)
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs)
}

/** The decompressed body; fetch decompresses in chunks, so at most the limit is ever in memory. */
async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > bytesMax) {
      const text = `a response of Cognigy is larger than ${bytesMax} bytes; raise MILLRACE_POLL_BODY_BYTES_MAX`
      throw new GatewayError('body_too_large', text)
    }
    parts.push(part)
  }
  return Buffer.concat(parts, bytes)
}

/** Includes the host, but not the query: the address of a proxy may be the only clue. */
function unavailable(url: URL, came: string, advice: string): GatewayError {
  return new GatewayError('source_unavailable', `Cognigy at ${url.host} ${came}; expected a page of logs; ${advice}`)
}

/** The system error code of a failed request; messages may contain secrets. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as Error & { cause?: { code?: unknown } }
  if (name === 'TimeoutError') return 'timeout'
  return typeof cause?.code === 'string' ? cause.code : 'the connection broke'
}
