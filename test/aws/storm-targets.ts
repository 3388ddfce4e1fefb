/** Targets of a storm: a store through its port, a gateway over HTTP. */

import { GatewayError } from '../../src/domain/errors.ts'
import { NS_MAX } from '../../src/domain/time.ts'
import type { Clock, LogStore } from '../../src/ports/log-store.ts'
import { makeBatch, openAdmission, readAll } from '../support/helper.ts'
import { readEntries } from '../support/read-back.ts'
import type { StormPush, StormTarget } from './storm.ts'

const SERVICE = 'storm'
/** Errors that a client can retry. */
const RETRYABLE_CODES: readonly string[] = ['store_unavailable', 'overloaded', 'query_timeout']
const RETRYABLE_STATUSES: readonly number[] = [429, 500, 502, 503, 504]
/** Ends a test that hangs; longer than any gateway takes on a slow machine. */
const ANSWER_MS_MAX = 600_000
/** Times of arrival may be slightly ahead of the clock. */
const READ_AHEAD_NS = 60_000_000_000n

/** The store itself. */
export function storeTarget(store: LogStore, clock: Clock): StormTarget {
  return {
    async send(push) {
      const arrivedNs = BigInt(clock.nowMs()) * 1_000_000n
      const entries = push.lines.map(({ ns, line }, at) =>
        push.intake === 'logs' ? { ns: arrivedNs + BigInt(at), line, id: idOf(line) } : { ns, line },
      )
      const labels = { service_name: SERVICE, stream: push.stream }
      const batch = makeBatch([{ labels, entries }], openAdmission(clock))
      return (await orUndefined(store.append(batch, push.intake))) !== undefined
    },
    async read(sinceNs) {
      const entries = await orUndefined(readAll(store, { start: sinceNs, end: NS_MAX, direction: 'backward' }))
      return entries?.map(({ line }) => line)
    },
  }
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof GatewayError && RETRYABLE_CODES.includes(error.code)) return undefined
    throw error
  }
}

/**
 * A gateway: pushes in Loki's JSON and POST /logs, reads by query_range. Waits for a gateway that is down, like agents.
 */
export function gatewayTarget(url: string): StormTarget {
  return {
    async send(push) {
      const { path, body } = push.intake === 'logs' ? logsRequest(push) : pushRequest(push)
      const response = await post(url + path, JSON.stringify(body))
      if (response === undefined) return false
      if (response.ok) return true
      if (RETRYABLE_STATUSES.includes(response.status)) return false
      throw new Error(`${path} answered ${response.status}: ${response.text}`)
    },
    async read(sinceNs) {
      const query = `{service_name="${SERVICE}"}`
      const endNs = BigInt(Date.now()) * 1_000_000n + READ_AHEAD_NS
      try {
        const entries = await readEntries(url, { query, startNs: sinceNs, endNs, direction: 'backward' })
        return entries.map(({ line }) => messageOf(line))
      } catch (error) {
        if (error instanceof TypeError || /answered (429|50\d)/.test(String(error))) return undefined
        throw error
      }
    },
  }
}

/** Undefined if the connection broke or there was no response; fetch throws a TypeError for the former. */
async function post(url: string, body: string) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    })
    return { ok: response.ok, status: response.status, text: await response.text() }
  } catch (error) {
    if (error instanceof TypeError || (error as Error).name === 'TimeoutError') return undefined
    throw error
  }
}

function pushRequest({ stream, lines }: StormPush): { path: string; body: object } {
  const values = lines.map(({ ns, line }) => [String(ns), line])
  return {
    path: '/loki/api/v1/push',
    body: { streams: [{ stream: { service_name: SERVICE, stream }, values }] },
  }
}

function logsRequest({ lines }: StormPush): { path: string; body: object } {
  return { path: '/logs', body: lines.map(({ line }) => ({ id: idOf(line), service: SERVICE, message: line })) }
}

/** Writer, push and line: equal for every attempt. */
function idOf(line: string): string {
  return line.split(' ').slice(0, 5).join(' ')
}

/** A line of POST /logs is stored as JSON; its message is what was sent. */
export function messageOf(line: string): string {
  return line.startsWith('{') ? (JSON.parse(line) as { message: string }).message : line
}
