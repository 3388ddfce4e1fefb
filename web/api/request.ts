/** Requests to the gateway: at most four at a time, the most wanted first; errors are the gateway's own sentences. */

import { signal } from '@preact/signals'
import { tenant } from '../settings.ts'

/** What a request is for: a smaller number goes first. */
export const WANT = { lines: 0, volume: 1, fields: 2, patterns: 3 } as const

const IN_FLIGHT_MAX = 4
const KEPT_MS = 30_000
const KEPT_CHARS_MAX = 20_000_000

export class AskError extends Error {
  /** HTTP's status; 0 where the gateway cannot be reached. */
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

/** Whether the gateway wants credentials. */
export const wantsAccess = signal(false)
/** Whether the newest request reached the gateway. */
export const isReached = signal(true)

export interface Asking {
  readonly signal?: AbortSignal
  readonly want?: number
  readonly method?: 'GET' | 'POST'
  readonly body?: string
  /** Keeps the answer for half a minute. */
  readonly isKept?: boolean
}

export type Parameters = Readonly<Record<string, string | number | undefined>>

export interface Answer {
  readonly text: string
  readonly headers: Headers
}

const waiting: { readonly want: number; readonly start: () => void }[] = []
let inFlight = 0
const kept = new Map<string, { readonly at: number; readonly answer: Answer }>()

/** The address of a path of this gateway: relative to the page, so that a prefix of a proxy stays. */
export function addressOf(path: string, parameters: Parameters = {}): URL {
  // Made of the origin: the page's own address may have a password in it, with which nothing can be fetched.
  const url = new URL(path, location.origin + location.pathname)
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return url
}

export function requestHeaders(): Record<string, string> {
  const token = sessionStorage.getItem('token')
  return {
    'x-loki-response-encoding-flags': 'categorize-labels',
    ...(tenant.value !== '' && { 'x-scope-orgid': tenant.value }),
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  }
}

/** Throws AskError, and the abort's own error. */
export async function ask(path: string, parameters: Parameters = {}, asking: Asking = {}): Promise<Answer> {
  const url = addressOf(path, parameters)
  const key = url.href + tenant.value
  const found = kept.get(key)
  if (asking.isKept && found !== undefined && Date.now() - found.at < KEPT_MS) return found.answer
  await turn(asking.want ?? WANT.fields, asking.signal)
  try {
    const response = await send(url, asking)
    const answer = { text: await response.text(), headers: response.headers }
    if (asking.isKept) keep(key, answer)
    return answer
  } finally {
    inFlight--
    waiting.shift()?.start()
  }
}

export async function askJson<T>(path: string, parameters?: Parameters, asking?: Asking): Promise<T> {
  return JSON.parse((await ask(path, parameters, asking)).text) as T
}

/** One request without a turn, for what stays open. Throws like ask. */
export async function send(url: URL, { signal: abort, method = 'GET', body }: Asking = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, {
      method,
      headers: { ...requestHeaders(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(abort && { signal: abort }),
      ...(body === undefined ? {} : { body }),
    })
  } catch (error) {
    if (abort?.aborted) throw error
    isReached.value = false
    throw new AskError('The gateway cannot be reached.', 0)
  }
  isReached.value = true
  if (response.ok) return response
  if (response.status === 401) wantsAccess.value = true
  throw new AskError(sentence(await response.text()) || `The gateway answered ${response.status}.`, response.status)
}

function sentence(text: string): string {
  try {
    return (JSON.parse(text) as { error: { message: string } }).error.message
  } catch {
    return text.trim()
  }
}

async function turn(want: number, abort?: AbortSignal): Promise<void> {
  if (inFlight < IN_FLIGHT_MAX) {
    inFlight++
    return
  }
  await new Promise<void>((resolve, reject) => {
    const ticket = {
      want,
      start: () => {
        inFlight++
        resolve()
      },
    }
    const at = waiting.findIndex((each) => each.want > want)
    waiting.splice(at < 0 ? waiting.length : at, 0, ticket)
    abort?.addEventListener('abort', () => {
      const place = waiting.indexOf(ticket)
      if (place >= 0) waiting.splice(place, 1)
      reject(abort.reason)
    })
  })
}

function keep(key: string, answer: Answer): void {
  kept.delete(key)
  kept.set(key, { at: Date.now(), answer })
  let chars = 0
  for (const [each, { at, answer: old }] of [...kept].reverse()) {
    chars += old.text.length
    if (chars > KEPT_CHARS_MAX || Date.now() - at > KEPT_MS) kept.delete(each)
  }
}

/** Whether an error only says that something newer was asked. */
export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError'

/** Whether the gateway does not take the question as it is asked. */
export const isWrongQuery = (error: unknown): boolean => error instanceof AskError && error.status === 400

export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
