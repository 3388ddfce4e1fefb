/** Clients that push continuously, one for each protocol, and retry unacknowledged pushes. */

import { encodePush } from '../../src/protocol/loki/loki-push-encode.ts'
import type { Random } from '../support/random.ts'
import type { Ledger, SentPush } from './ledger.ts'

/** A label of every stream of these tests, in any protocol. */
export const SERVICE = 'crash'
const LINES_MAX = 40
/** Ends a test that hangs; longer than any gateway takes on a slow machine. */
const ANSWER_MS_MAX = 600_000

interface Request {
  readonly path: string
  readonly contentType: string
  readonly body: string | Uint8Array<ArrayBuffer>
}

/** A line with its nanosecond. Two adjacent lines share theirs. */
interface TimedLine {
  readonly ns: bigint
  readonly line: string
}

type Encode = (lines: readonly TimedLine[], stream: string) => Request

export class Writer {
  readonly name: string
  readonly #encode: Encode
  readonly #ledger: Ledger
  readonly #random: Random
  #made = 0
  #pending: { push: SentPush; request: Request } | undefined
  retries = 0

  constructor(name: string, encode: Encode, ledger: Ledger, random: Random) {
    this.name = name
    this.#encode = encode
    this.#ledger = ledger
    this.#random = random
  }

  /** Pushes until it is stopped or the gateway is down; calls `onPush` at the start of each push. */
  async run(url: string, isStopped: () => boolean, onPush: () => void): Promise<void> {
    while (!isStopped()) {
      const pushed = this.#pushOnce(url)
      onPush()
      if (!(await pushed)) return
      this.#pending = undefined
    }
  }

  /** Sends the pending push, if there is one. */
  async finish(url: string): Promise<void> {
    if (this.#pending === undefined) return
    if (!(await this.#pushOnce(url))) throw new Error(`${this.name}: the gateway is gone while nobody killed it`)
    this.#pending = undefined
  }

  /** True if the pending push, or a new one, was acknowledged; false if there was no response. */
  async #pushOnce(url: string): Promise<boolean> {
    if (this.#pending !== undefined) this.retries++
    this.#pending ??= this.#make()
    const { push, request } = this.#pending
    let response: Response
    try {
      response = await fetch(url + request.path, {
        method: 'POST',
        headers: { 'content-type': request.contentType },
        body: request.body,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      })
    } catch {
      return false // the gateway was killed; the test checks whether the push was stored
    }
    if (!response.ok) throw new Error(`${this.name}: answered ${response.status}: ${await response.text()}`)
    // The status line is the acknowledgement, even if the kill truncates the body.
    push.isAcknowledged = true
    await response.arrayBuffer().catch(() => undefined)
    return true
  }

  #make(): { push: SentPush; request: Request } {
    const number = this.#made++
    const madeNs = BigInt(Date.now()) * 1_000_000n
    const lines = Array.from({ length: 1 + this.#random.integer(LINES_MAX) }, (_, i) => ({
      ns: madeNs + BigInt(i >>> 1),
      line: `${this.name} push ${number} line ${i} ${this.#random.hex(8 + this.#random.integer(200))}`,
    }))
    const push = this.#ledger.add(
      lines.map(({ line }) => line),
      madeNs,
    )
    return { push, request: this.#encode(lines, `${this.name}-${number % 3}`) }
  }
}

const protobuf: Encode = (lines, stream) => ({
  path: '/loki/api/v1/push',
  contentType: 'application/x-protobuf',
  body: new Uint8Array(encodePush([{ labels: `{app="${SERVICE}", stream="${stream}"}`, entries: lines }])),
})

const json: Encode = (lines, stream) => ({
  path: '/loki/api/v1/push',
  contentType: 'application/json',
  body: JSON.stringify({
    streams: [{ stream: { app: SERVICE, stream }, values: lines.map(({ ns, line }) => [String(ns), line]) }],
  }),
})

const otlp: Encode = (lines, stream) => ({
  path: '/otlp/v1/logs',
  contentType: 'application/json',
  body: JSON.stringify({
    resourceLogs: [
      {
        resource: {
          attributes: [
            { key: 'service.name', value: { stringValue: SERVICE } },
            { key: 'k8s.pod.name', value: { stringValue: stream } },
          ],
        },
        scopeLogs: [
          { logRecords: lines.map(({ ns, line }) => ({ timeUnixNano: String(ns), body: { stringValue: line } })) },
        ],
      },
    ],
  }),
})

/** The line is its own id, which identifies the retry, because the server sets the time. */
const logs: Encode = (lines) => ({
  path: '/logs',
  contentType: 'application/json',
  body: JSON.stringify(lines.map(({ line }) => ({ id: line.slice(0, 40), service: SERVICE, message: line }))),
})

const FORMS: readonly (readonly [name: string, encode: Encode])[] = [
  ['protobuf', protobuf],
  ['json', json],
  ['otlp', otlp],
  ['logs', logs],
]

/** Two writers for each protocol. */
export function makeWriters(ledger: Ledger, random: Random): Writer[] {
  return FORMS.flatMap(([name, encode]) => [1, 2].map((n) => new Writer(`${name}${n}`, encode, ledger, random)))
}
