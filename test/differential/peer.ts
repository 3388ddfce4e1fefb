/** One of the two that are compared, over HTTP: pushes and questions, each bounded in time. */

import { Agent, request } from 'node:http'
import type { DataStream } from './data-set.ts'
import type { Question } from './question.ts'

export interface Reply {
  /** 0 where no whole answer came. */
  readonly status: number
  /** The body, or why there is none. */
  readonly body: string
}

const TIMEOUT_MS = 10_000

export class Peer {
  readonly url: string
  readonly #agent: Agent

  constructor(url: string, sockets: number) {
    this.url = url.replace(/\/$/, '')
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Pushes the streams to a tenant as JSON. Throws where they are not taken. */
  async push(tenant: string, streams: readonly DataStream[]): Promise<void> {
    const body = JSON.stringify({
      streams: streams.map(({ labels, entries }) => ({
        stream: labels,
        values: entries.map(({ ns, line, metadata }) => [String(ns), line, metadata]),
      })),
    })
    const reply = await this.send('POST', '/loki/api/v1/push', tenant, { 'content-type': 'application/json' }, body)
    if (reply.status < 200 || reply.status > 299) {
      throw new Error(`${this.url} does not take a push: ${reply.status} ${reply.body.slice(0, 500)}`)
    }
  }

  ask(tenant: string, { path, params, query, isCategorized }: Question): Promise<Reply> {
    const text = new URLSearchParams({ ...params, query })
    const headers: Record<string, string> = isCategorized
      ? { 'x-loki-response-encoding-flags': 'categorize-labels' }
      : {}
    return this.send('GET', `/loki/api/v1/${path}?${text}`, tenant, headers)
  }

  /** Never rejects: a peer that hangs or dies gives a reply of status 0. */
  send(
    method: string,
    path: string,
    tenant: string,
    headers: Readonly<Record<string, string>>,
    body?: string | Buffer,
  ): Promise<Reply> {
    return new Promise((resolve) => {
      const fail = (reason: string): void => resolve({ status: 0, body: reason })
      const options = {
        method,
        agent: this.#agent,
        headers: { 'x-scope-orgid': tenant, ...headers },
        timeout: TIMEOUT_MS,
      }
      const outgoing = request(`${this.url}${path}`, options, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        )
        response.on('error', (error) => fail(`broken answer: ${error.message}`))
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
      outgoing.on('error', (error) => fail(error.message))
      outgoing.end(body)
    })
  }
}
