/** Pushes bodies over persistent connections and measures the responses; cheap, so that it measures the gateway. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { PushBody } from './corpus.ts'

export interface LoadResult {
  readonly seconds: number
  /** Lines of acknowledged bodies. */
  readonly lines: number
  readonly lineBytes: number
  /** Milliseconds from the first byte of a request to its response, ascending. */
  readonly latencies: readonly number[]
  /** Responses other than 2xx, by status. */
  readonly failures: ReadonlyMap<number, number>
}

/** Sends every body once; each connection sends the next one after the response to its previous one. */
export async function pushAll(port: number, bodies: readonly PushBody[], connections: number): Promise<LoadResult> {
  const latencies: number[] = []
  const failures = new Map<number, number>()
  let next = 0
  let lines = 0
  let lineBytes = 0
  const work = async (connection: Connection): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      const sentMs = performance.now()
      const status = await connection.push(body)
      latencies.push(performance.now() - sentMs)
      if (status >= 200 && status < 300) {
        lines += body.lines
        lineBytes += body.lineBytes
      } else failures.set(status, (failures.get(status) ?? 0) + 1)
    }
    connection.close()
  }
  const opened = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)))
  const startedMs = performance.now()
  await Promise.all(opened.map(work))
  const seconds = (performance.now() - startedMs) / 1000
  latencies.sort((a, b) => a - b)
  return { seconds, lines, lineBytes, latencies, failures }
}

/** An HTTP/1.1 connection with one request at a time. */
class Connection {
  readonly #socket: Socket
  #answer = Buffer.alloc(0)
  #settle: { resolve: (status: number) => void; reject: (error: Error) => void } | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.#settle?.reject(error))
    socket.on('close', () => this.#settle?.reject(new Error('the gateway closed the connection before it answered')))
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    return new Connection(socket)
  }

  push({ contentType, bytes }: PushBody): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#socket.cork()
      this.#socket.write(
        `POST /loki/api/v1/push HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${contentType}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      )
      this.#socket.write(bytes)
      this.#socket.uncork()
    })
  }

  close(): void {
    this.#settle = undefined
    this.#socket.destroy()
  }

  /** Reads until the response is complete: its head, and Content-Length bytes. */
  #read(chunk: Buffer): void {
    this.#answer = Buffer.concat([this.#answer, chunk])
    const headEnd = this.#answer.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = this.#answer.subarray(0, headEnd).toString('latin1')
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
    if (this.#answer.length < headEnd + 4 + length) return
    this.#answer = this.#answer.subarray(headEnd + 4 + length)
    this.#settle?.resolve(Number(head.slice(9, 12)))
  }
}

/** The value below which this share of the sorted values is. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
