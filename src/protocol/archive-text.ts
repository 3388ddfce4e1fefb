/** An archive object's bytes, as they come from a stream, to whole lines: gzip undone, never past a limit. */

import { createGunzip, type Gunzip } from 'node:zlib'
import { GatewayError } from '../domain/errors.ts'

export interface ArchiveTextLimits {
  /** Bytes of one part; a part is longer when its last line is. */
  readonly partBytes: number
  /** Bytes that the end of a line is waited for; no entry that was accepted makes a longer one. */
  readonly lineBytesMax: number
  /** Bytes that one object may inflate to. */
  readonly bytesMax: number
}

const MIB = 2 ** 20

/** A line of 256 KiB in escapes of six bytes each, with its labels and metadata, several times over. */
export const ARCHIVE_TEXT_LIMITS: ArchiveTextLimits = {
  partBytes: 4 * MIB,
  lineBytesMax: 64 * MIB,
  bytesMax: 4096 * MIB,
}

const NEWLINE = 0x0a
const INFLATED_CHUNK_BYTES = 256 * 1024

/**
 * Parts of whole lines, each in memory of its own that the caller may overwrite; the last line may lack its line feed.
 * The source is gzip (any number of members one after the other), or plain text when it does not begin as gzip does.
 *
 * Rejects with store_damaged when it is cut short, no gzip, or passes a limit, and with what the source rejects with.
 * The parts before that were good. Holds a part and a chunk at a time, whatever the source makes of it.
 */
export async function* readArchiveText(
  source: AsyncIterable<Uint8Array>,
  limits: ArchiveTextLimits = ARCHIVE_TEXT_LIMITS,
): AsyncGenerator<Uint8Array, void, undefined> {
  const collector = new PartCollector(limits)
  for await (const chunk of inflate(source)) {
    const part = collector.add(chunk)
    if (part !== undefined) yield part
  }
  const rest = collector.rest()
  if (rest.length > 0) yield rest
}

/** Collects chunks until a part is full, and cuts it behind its last line. */
class PartCollector {
  readonly #limits: ArchiveTextLimits
  #chunks: Uint8Array[] = []
  #bytes = 0
  #total = 0

  constructor(limits: ArchiveTextLimits) {
    this.#limits = limits
  }

  add(chunk: Uint8Array): Uint8Array | undefined {
    const { partBytes, lineBytesMax, bytesMax } = this.#limits
    this.#total += chunk.length
    if (this.#total > bytesMax) throw damaged(`it inflates to more than ${bytesMax} bytes`)
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < partBytes) return undefined
    const cut = chunk.lastIndexOf(NEWLINE) + 1
    if (cut === 0 && this.#bytes <= lineBytesMax) return undefined
    if (cut === 0) return this.#cutBefore(lineBytesMax)
    const rest = chunk.slice(cut)
    this.#chunks[this.#chunks.length - 1] = chunk.subarray(0, cut)
    return this.#take(rest)
  }

  rest(): Uint8Array {
    return this.#take(new Uint8Array(0))
  }

  /** The last chunk ends no line: the part ends where an earlier one does, if any. */
  #cutBefore(lineBytesMax: number): Uint8Array {
    const whole = this.#take(new Uint8Array(0))
    const cut = whole.lastIndexOf(NEWLINE) + 1
    if (whole.length - cut > lineBytesMax) throw damaged(`a line has more than ${lineBytesMax} bytes`)
    this.#chunks = [whole.slice(cut)]
    this.#bytes = whole.length - cut
    return whole.subarray(0, cut)
  }

  /** Everything so far, in its own memory; `rest` is what goes on. */
  #take(rest: Uint8Array): Uint8Array {
    const whole = Buffer.concat(this.#chunks)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return whole
  }
}

/** The source's bytes without their gzip. */
async function* inflate(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  let isDone = false
  try {
    const head = await readHead(iterator)
    const isGzip = head[0] === 0x1f && head[1] === 0x8b
    const rest = { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
    if (head.length > 0) yield* isGzip ? gunzip(head, rest) : chain(head, rest)
    isDone = true
  } finally {
    if (!isDone) await iterator.return?.()
  }
}

/** At least the first two bytes, unless there are fewer. */
async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < 2) {
    const next = await iterator.next()
    if (next.done === true) break
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
  }
  return head
}

async function* chain(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield head
  yield* rest
}

async function* gunzip(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const engine = createGunzip({ chunkSize: INFLATED_CHUNK_BYTES })
  let sourceFailure: unknown
  const fed = feed(engine, head, rest).catch((cause) => {
    sourceFailure = cause
    engine.destroy(cause instanceof Error ? cause : new Error('the source failed'))
  })
  try {
    yield* engine
  } catch (cause) {
    if (sourceFailure !== undefined) throw sourceFailure
    throw damaged('it is cut short or no gzip', cause)
  } finally {
    engine.destroy()
    await fed
  }
}

/** Writes the source into the engine, as fast as the engine takes it; ends early when the engine is destroyed. */
async function feed(engine: Gunzip, head: Uint8Array, rest: AsyncIterable<Uint8Array>): Promise<void> {
  const closed = new Promise<void>((resolve) => engine.once('close', resolve))
  for await (const chunk of chain(head, rest)) {
    if (engine.destroyed) return
    if (!engine.write(chunk)) await Promise.race([closed, new Promise<void>((r) => engine.once('drain', r))])
  }
  if (!engine.destroyed) engine.end()
}

function damaged(what: string, cause?: unknown): GatewayError {
  const text = `an object of the archive cannot be read: ${what}; restore it, or delete it to read without it`
  return new GatewayError('store_damaged', text, { cause })
}
