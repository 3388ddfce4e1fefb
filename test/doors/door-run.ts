/** Sends the pushes of the cases to a Loki-compatible URL, reads what was stored, and rates the result. */

import { request } from 'node:http'
import { bytesOf } from './door-body.ts'
import { type DoorCase, fillIn } from './door-file.ts'

export interface DoorTarget {
  readonly url: string
  /** Sent with every request, such as X-Scope-OrgID. */
  readonly headers: Readonly<Record<string, string>>
  /** The target's time, which pushed lines have. */
  readonly nowMs: () => number
  /** Distinguishes the labels of one run. */
  readonly run: string
}

export interface DoorOutcome {
  readonly status: number
  readonly text: string
  readonly stored: readonly string[]
  readonly sent: readonly string[]
}

/** The status of a path that the target does not serve. */
export const NOT_SERVED = 404

export async function runDoorCase(door: DoorCase, index: number, target: DoorTarget): Promise<DoorOutcome> {
  const id = `door-${target.run}-${index}`
  const nowMs = target.nowMs()
  const fill = (text: string): string => fillIn(text, id, nowMs)
  const body = bytesOf(fill(door.body), door.steps)
  const { status, text } = await post(target, door, body)
  const stored = await readLines(target, fill(door.query), nowMs)
  return { status, text, stored, sent: door.sent.map(fill) }
}

/** A fault of any server: lost lines, or a rejection without a reason. Undefined: none. */
export function faultOf({ sent, stored, status, text }: DoorOutcome): string | undefined {
  const missing = sent.filter((line) => !stored.includes(line))
  if (status >= 500) return `answered ${status}`
  if (status < 300 && missing.length > 0 && !saysRejected(text)) {
    return `answered ${status}, and ${missing.length} of ${sent.length} lines are not found`
  }
  if (status >= 300 && missing.length < sent.length && !saysRejected(text) && stored.length === sent.length) {
    return `answered ${status}, and stored everything`
  }
  if (status >= 400 && text.trim() === '') return `answered ${status} without a word`
  return undefined
}

/** The difference from the case's expected result; undefined if there is none. */
export function differenceOf(door: DoorCase, outcome: DoorOutcome, fill: (text: string) => string): string | undefined {
  if (outcome.status !== door.status) return `status ${outcome.status}, wanted ${door.status}: ${outcome.text.trim()}`
  // In JSON the quotes of a message are escaped.
  if (!outcome.text.replaceAll('\\"', '"').includes(door.words)) return `"${outcome.text.trim()}" lacks "${door.words}"`
  const wanted = door.stored.map(fill).toSorted()
  const stored = outcome.stored.toSorted()
  if (JSON.stringify(stored) === JSON.stringify(wanted)) return undefined
  return `stored ${JSON.stringify(stored)}, wanted ${JSON.stringify(wanted)}`
}

/** Successful responses that report rejections: OTLP's partial success, `rejected` of POST /logs. */
function saysRejected(text: string): boolean {
  return /"rejectedLogRecords"|"rejected":[1-9]/.test(text)
}

function post(target: DoorTarget, door: DoorCase, body: Buffer): Promise<{ status: number; text: string }> {
  const headers = { ...target.headers, ...door.headers }
  const isChunked = headers['transfer-encoding'] === 'chunked'
  return send(
    new URL(door.path, target.url),
    'POST',
    {
      ...headers,
      ...(isChunked ? {} : { 'content-length': String(body.length) }),
    },
    body,
  )
}

const QUARTER_DAY_MS = 6 * 3_600_000
/** Everything from six hours ago to ten minutes ahead, where a person would look. */
async function readLines(target: DoorTarget, query: string, nowMs: number): Promise<string[]> {
  const params = new URLSearchParams({
    query,
    start: `${nowMs - 2 * QUARTER_DAY_MS}000000`,
    end: `${nowMs + QUARTER_DAY_MS}000000`,
    limit: '100',
  })
  const { status, text } = await send(new URL(`/loki/api/v1/query_range?${params}`, target.url), 'GET', target.headers)
  if (status !== 200) throw new Error(`the query ${query} was answered ${status}: ${text}`)
  const answer = JSON.parse(text) as { data: { result: { values: [string, string][] }[] } }
  return answer.data.result.flatMap(({ values }) => values.map(([, line]) => line))
}

function send(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  body?: Buffer,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
