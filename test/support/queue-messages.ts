/** Messages of the log queue in the gateway's format, and the lines of archive objects, for tests. */

import { gunzipSync, gzipSync } from 'node:zlib'

export interface QueueLine {
  readonly ns: bigint
  readonly line: string
  readonly tenant?: string
}

/** One line of the archive, with its newline. */
export function archiveLine({ ns, line, tenant = 'fake' }: QueueLine): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  const time = `${seconds}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`
  return `${JSON.stringify({ time, tenant, labels: { app: 'a' }, line, id: String(ns) })}\n`
}

/** The body of a message with these lines. */
export function messageBody(lines: readonly QueueLine[]): string {
  return bodyOf(lines.map(archiveLine).join(''))
}

/** The body of a message with this text. */
export function bodyOf(text: string): string {
  return gzipSync(text).toString('base64')
}

/** The lines of an object, or of concatenated parts. */
export function linesOf(content: Uint8Array): string[] {
  return gunzipSync(content).toString().split('\n').slice(0, -1)
}
