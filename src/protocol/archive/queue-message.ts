/**
 * Decodes a message of the log queue to archive parts. Its body is base64 of gzip of archive lines (see archive-lines.ts);
 * the compressed bytes are archived unchanged if all their entries are in one hour.
 */

import { gunzip, gzip } from 'node:zlib'
import type { ArchivePart } from '../../domain/entries/archive-part.ts'
import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import { fitsNs } from '../../domain/time.ts'
import { decodeArchiveLines } from './archive-lines.ts'
import { contentHash } from './archive-names.ts'

/** The version of the body format, which senders put into the attribute `version`. */
export const MESSAGE_VERSION = '1'

/**
 * Maximum inflated size of a message. The gateway's messages have a few MiB; a larger one was not written by it, and must
 * not exhaust the worker's memory.
 */
const MESSAGE_TEXT_BYTES_MAX = 64 * 2 ** 20

const NEWLINE = 0x0a
const SECONDS_PER_HOUR = 3600
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * The parts of a message, oldest hour first. All lines are validated, so the parts can be read again.
 *
 * Rejects with body_malformed (invalid base64 or gzip, trailing bytes, an invalid or incomplete line, no lines) or
 * body_too_large (more than `textBytesMax` of lines): retrying such a message is useless.
 */
export async function decodeQueueMessage(
  body: string,
  textBytesMax = MESSAGE_TEXT_BYTES_MAX,
): Promise<readonly ArchivePart[]> {
  const content = decodeBase64(body)
  const text = await inflate(content, textBytesMax)
  if (text.at(-1) !== NEWLINE) throw malformed('its last line is incomplete')
  const hours = readHours(text)
  const [only] = hours.byHour.values()
  if (hours.byHour.size === 1 && only !== undefined) return [makePart(only, text.length, content)]
  // Decoding changed the lines in place, so lines to copy are inflated again.
  return split(await inflate(content, textBytesMax), hours)
}

function decodeBase64(body: string): Buffer {
  // Buffer.from skips invalid base64.
  if (body.length % 4 !== 0 || !BASE64.test(body)) throw malformed('it is not base64')
  return Buffer.from(body, 'base64')
}

function inflate(content: Buffer, textBytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(content, { info: true, maxOutputLength: textBytesMax }, (error, result) => {
      if (error !== null) return reject(inflateFailure(error, textBytesMax))
      // With `info` the result has this form, which Node's types do not express.
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
      // Concatenated content would not be read past the padding.
      if (engine.bytesWritten !== content.length) reject(malformed('there are bytes behind its gzip'))
      else resolve(buffer)
    })
  })
}

function inflateFailure(error: NodeJS.ErrnoException, textBytesMax: number): GatewayError {
  if (error.code !== 'ERR_BUFFER_TOO_LARGE') return malformed('it is not gzip')
  const text = `the message inflates to more than ${textBytesMax} bytes of lines; the gateway makes smaller ones`
  return new GatewayError('body_too_large', text)
}

/** The counted entries of an hour. */
interface HourCount {
  readonly hour: number
  oldest: bigint
  newest: bigint
  entries: number
}

interface Hours {
  readonly byHour: ReadonlyMap<number, HourCount>
  /** The hour of each line, without empty lines. */
  readonly ofLine: readonly number[]
}

/** Checks every line, and overwrites them. */
function readHours(text: Uint8Array): Hours {
  const sink = new HourSink()
  const { refused } = decodeArchiveLines(text, () => sink)
  if (refused + sink.misfits > 0)
    throw malformed(`${refused + sink.misfits} of its lines are no entries of the archive`)
  if (sink.byHour.size === 0) throw malformed('it has no lines')
  return sink
}

/** A sink that records only the times of entries. */
class HourSink implements PushSink, Hours {
  readonly byHour = new Map<number, HourCount>()
  readonly ofLine: number[] = []
  misfits = 0

  addEntry(seconds: number, nanos: number): void {
    if (!fitsNs(seconds, nanos)) {
      this.misfits++
      return
    }
    const hour = Math.floor(seconds / SECONDS_PER_HOUR)
    const ns = BigInt(seconds) * 1_000_000_000n + BigInt(nanos)
    this.ofLine.push(hour)
    const count = this.byHour.get(hour)
    if (count === undefined) {
      this.byHour.set(hour, { hour, oldest: ns, newest: ns, entries: 1 })
      return
    }
    if (ns < count.oldest) count.oldest = ns
    if (ns > count.newest) count.newest = ns
    count.entries++
  }

  useText(): void {}
  beginStream(): void {}
  beginUnreadableStream(): void {}
  addMetadata(): void {}
  addMetadataBytes(): void {}
  refuseEntry(): void {}
}

async function split(text: Buffer, { byHour, ofLine }: Hours): Promise<ArchivePart[]> {
  const linesByHour = new Map<number, Buffer[]>(Array.from(byHour.keys(), (hour) => [hour, []]))
  let index = 0
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf(NEWLINE, start) + 1
    if (!isBlank(text, start, end)) linesByHour.get(ofLine[index++] as number)?.push(text.subarray(start, end))
    start = end
  }
  const parts: ArchivePart[] = []
  for (const count of Array.from(byHour.values()).sort((a, b) => a.hour - b.hour)) {
    const lines = Buffer.concat(linesByHour.get(count.hour) as Buffer[])
    parts.push(makePart(count, lines.length, await deflate(lines)))
  }
  return parts
}

/** Only JSON white space, which the line decoder skips. */
function isBlank(text: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = text[at] as number
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d && byte !== NEWLINE) return false
  }
  return true
}

function deflate(lines: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(lines, (error, content) => (error === null ? resolve(content) : reject(error)))
  })
}

function makePart(count: HourCount, lineBytes: number, content: Uint8Array): ArchivePart {
  const { hour, oldest, newest, entries } = count
  return { hour, oldest, newest, entries, lineBytes, content, digest: contentHash(content) }
}

function malformed(what: string): GatewayError {
  return new GatewayError(
    'body_malformed',
    `the message is not base64 of gzipped archive lines: ${what}; only the gateway should send to this queue`,
  )
}
