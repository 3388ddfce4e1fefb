/** One connection to Loki's live tail. */

import { GatewayError } from '../../domain/errors.ts'
import { addressOf, type GatewayAddress, type Parameters } from '../client.ts'
import { listOf, readStreams, recordOf, type ShownEntry } from '../client-answer.ts'

export interface SocketOrder {
  readonly gateway: GatewayAddress
  readonly parameters: Parameters
  readonly onEntries: (entries: readonly ShownEntry[]) => void
  readonly signal: AbortSignal | undefined
  readonly timer: Timer
}

/** Schedules a call; returns a function that cancels it. */
export type Timer = (ms: number, run: () => void) => () => void

/** A connection that is silent for this long may be dead: proxies may drop it without notice. */
const SILENT_MS_MAX = 60_000

/**
 * Follows until the connection ends, the signal aborts, nothing arrives for a minute, or the gateway drops lines because
 * they came too fast; dropped lines can be queried. Resolves to whether the connection ever opened; rejects with
 * source_unavailable for invalid frames.
 */
export function followSocket({ gateway, parameters, onEntries, signal, timer }: SocketOrder): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const url = addressOf(gateway, '/loki/api/v1/tail', parameters).replace(/^http/, 'ws')
  // The headers option is specific to Node; browsers do not have it.
  const headers = { ...gateway.headers, 'x-loki-response-encoding-flags': 'categorize-labels' }
  const socket = new WebSocket(url, { headers })
  let isOpen = false
  let isOver = false
  const settle = (): void => {
    isOver = true
    calm()
    signal?.removeEventListener('abort', leave)
    resolve(isOpen)
  }
  // The other side may be gone, so do not wait for the close to complete.
  const leave = (): void => {
    socket.close()
    settle()
  }
  let calm = timer(SILENT_MS_MAX, leave)
  signal?.addEventListener('abort', leave)
  if (signal?.aborted) leave()
  socket.addEventListener('open', () => {
    isOpen = true
  })
  socket.addEventListener('message', ({ data }) => {
    if (isOver) return
    calm()
    calm = timer(SILENT_MS_MAX, leave)
    try {
      const { entries, isWhole } = readFrame(String(data))
      onEntries(entries)
      if (!isWhole) leave()
    } catch (error) {
      reject(error)
      leave()
    }
  })
  socket.addEventListener('error', () => {
    if (!isOpen) settle()
  })
  socket.addEventListener('close', settle)
  return promise
}

/** `isWhole`: whether no line was left out before it. */
function readFrame(text: string): { entries: ShownEntry[]; isWhole: boolean } {
  const frame = recordOf(parse(text))
  const entries = readStreams(frame['streams'] ?? [])
  return { entries, isWhole: listOf(frame['dropped_entries'] ?? []).length === 0 }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GatewayError('source_unavailable', 'the tail sent a frame that is not JSON; is --url a gateway?', {
      cause,
    })
  }
}
