/** One connection to Loki's live tail. */

import { GatewayError } from '../domain/errors.ts'
import { addressOf, type GatewayAddress, type Parameters } from './client.ts'
import { listOf, readStreams, recordOf, type ShownEntry } from './client-answer.ts'

export interface SocketOrder {
  readonly gateway: GatewayAddress
  readonly parameters: Parameters
  readonly onEntries: (entries: readonly ShownEntry[]) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Follows until the connection ends, the signal does, or the gateway left lines out because they came too fast: then
 * they are there to be asked for. Resolves to whether the connection ever opened; rejects with source_unavailable for
 * frames that are none.
 */
export function followSocket({ gateway, parameters, onEntries, signal }: SocketOrder): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const url = addressOf(gateway, '/loki/api/v1/tail', parameters).replace(/^http/, 'ws')
  // Headers are Node's own: browsers have no way to send them.
  const headers = { ...gateway.headers, 'x-loki-response-encoding-flags': 'categorize-labels' }
  const socket = new WebSocket(url, { headers })
  let isOpen = false
  const close = (): void => socket.close()
  const settle = (): void => {
    signal?.removeEventListener('abort', close)
    resolve(isOpen)
  }
  signal?.addEventListener('abort', close)
  socket.addEventListener('open', () => {
    isOpen = true
  })
  socket.addEventListener('message', ({ data }) => {
    try {
      const { entries, isWhole } = readFrame(String(data))
      onEntries(entries)
      if (!isWhole) close()
    } catch (error) {
      reject(error)
      close()
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
    throw new GatewayError('source_unavailable', 'the tail sent what is no JSON; is --url a gateway?', { cause })
  }
}
