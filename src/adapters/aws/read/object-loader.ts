/** An object of the archive to batches, a few megabytes of text at a time. */

import { createGunzip, type Gunzip } from 'node:zlib'
import type { Batch } from '../../../domain/entries/batch.ts'
import { type Admission, BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import { PUSH_LIMITS } from '../../../domain/limits.ts'
import { decodeArchiveLines } from '../../../protocol/archive/archive-lines.ts'

/** Text that is decoded at once: enough for blocks of a good size, little enough for several objects side by side. */
const TEXT_BYTES = 4 * 1024 * 1024
/** A line with all that a push may bring is far below; without an end it would be held until memory is gone. */
const LINE_BYTES_MAX = 64 * 1024 * 1024
/** Compressed bytes handed to zlib at once: they give at most about a thousand times as many. */
const PIECE_BYTES = 16 * 1024
/** Firehose's largest buffer, 128 MiB compressed, holds about 2 GiB of ordinary lines. */
const OBJECT_TEXT_BYTES_MAX = 16 * 1024 * 1024 * 1024

const NEWLINE = 0x0a

/** What is wrong with an object. */
export interface Damage {
  /** A clause about the object: `it cannot be decompressed (…)`. */
  readonly why: string
  /** The byte near which decompression failed: loaded once more, with care from there on, the object may give more. */
  readonly failedAt: number | undefined
}

export interface LoadOptions {
  /** Pieces from this compressed byte on are single bytes. */
  readonly careFrom?: number
  /** Looked at between any two pieces: an object may inflate for a while without an entry. */
  readonly signal?: AbortSignal
}

/**
 * Gives the entries of gzip members of archive lines to `append`, in their order, a batch a tenant; what it was given is
 * its own until it resolves. Resolves with what is wrong with the object, or undefined; what can be read is given all
 * the same. zlib keeps what it made of the piece in which it fails: loaded once more with `careFrom`, the object gives
 * that too. Rejects as `append` and `body` do, or with the signal's reason.
 */
export async function loadObject(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  append: (batch: Batch) => Promise<unknown>,
  { careFrom = Number.POSITIVE_INFINITY, signal }: LoadOptions = {},
): Promise<Damage | undefined> {
  const inflation = new Inflation()
  let refused = 0
  const give = async (text: Uint8Array): Promise<void> => {
    const { batches, wrong } = decodeText(text)
    refused += wrong
    for (const batch of batches) {
      signal?.throwIfAborted()
      await append(batch)
    }
  }
  try {
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length && inflation.damage === undefined; ) {
        signal?.throwIfAborted()
        const length = pieceBytes(inflation.written, careFrom)
        await inflation.write(chunk.subarray(at, at + length))
        at += length
        if (inflation.isFull) await give(inflation.takeLines())
      }
      if (inflation.damage !== undefined) break
    }
    await inflation.end()
    await give(inflation.takeRest())
  } finally {
    inflation.destroy()
  }
  if (inflation.damage !== undefined) return { why: inflation.damage, failedAt: inflation.failedAt }
  return refused === 0 ? undefined : { why: `${refused} of its lines are no entries`, failedAt: undefined }
}

function pieceBytes(at: number, careFrom: number): number {
  if (at < careFrom) return Math.min(PIECE_BYTES, careFrom - at)
  return at < careFrom + PIECE_BYTES ? 1 : PIECE_BYTES
}

/** Decompresses, and keeps what came out until it is taken. Its failures are kept, not thrown. */
class Inflation {
  /** What is wrong with the bytes so far. */
  damage: string | undefined
  /** Where the piece began in which zlib failed. */
  failedAt: number | undefined
  /** Compressed bytes so far. */
  written = 0
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: 64 * 1024 })
  readonly #ended: Promise<void>
  #settleWrite: () => void = () => undefined
  #parts: Buffer[] = []
  /** Bytes that came out and were not taken, and how many of them were looked through for the end of a line. */
  #bytes = 0
  #searched = 0
  #total = 0
  #pieceAt = 0

  constructor() {
    // Flowing all the time, so that what comes out before a failure is there when it fails.
    this.#gunzip.on('data', (part: Buffer) => {
      this.#parts.push(part)
      this.#bytes += part.length
      this.#total += part.length
    })
    this.#ended = new Promise((resolve) => {
      this.#gunzip.once('close', () => {
        resolve()
        this.#settleWrite()
      })
      this.#gunzip.once('error', (error) => {
        this.damage ??= `it cannot be decompressed (${error.message})`
        this.failedAt ??= this.#pieceAt
      })
    })
  }

  /** True when there is enough for takeLines. */
  get isFull(): boolean {
    return this.#bytes - this.#searched >= TEXT_BYTES
  }

  /** Resolves when everything of the piece has come out, or failed. */
  async write(piece: Uint8Array): Promise<void> {
    this.#pieceAt = this.written
    this.written += piece.length
    await new Promise<void>((resolve) => {
      // A write that fails is not called back, only the end is told.
      this.#settleWrite = resolve
      this.#gunzip.write(piece, () => resolve())
    })
    if (this.#total > OBJECT_TEXT_BYTES_MAX) this.damage ??= `it is larger than ${OBJECT_TEXT_BYTES_MAX} bytes`
  }

  async end(): Promise<void> {
    if (this.damage === undefined && this.written > 0) this.#gunzip.end()
    else this.#gunzip.destroy()
    await this.#ended
  }

  /** Lets go of zlib's memory, which the garbage collector does not see. */
  destroy(): void {
    this.#gunzip.destroy()
  }

  /** The whole lines that came out; the rest stays. */
  takeLines(): Uint8Array {
    const text = this.#takeAll()
    const end = text.lastIndexOf(NEWLINE) + 1
    const rest = text.subarray(end)
    if (rest.length > LINE_BYTES_MAX) this.damage ??= `it has a line that is longer than ${LINE_BYTES_MAX} bytes`
    else if (rest.length > 0) {
      this.#parts = [Buffer.from(rest)]
      this.#bytes = this.#searched = rest.length
    }
    return text.subarray(0, end)
  }

  /** What is left, when everything was written. */
  takeRest(): Uint8Array {
    const text = this.#takeAll()
    // Where the bytes are damaged, the last line was cut off.
    return this.damage === undefined ? text : text.subarray(0, text.lastIndexOf(NEWLINE) + 1)
  }

  #takeAll(): Buffer {
    const text = Buffer.concat(this.#parts, this.#bytes)
    this.#parts = []
    this.#bytes = this.#searched = 0
    return text
  }
}

/** What was stored was admitted once: it is taken as it is. */
const STORED: Omit<Admission, 'tenant'> = {
  limits: {
    ...PUSH_LIMITS,
    ageMsMax: undefined,
    futureMsMax: 2 ** 45,
    lineBytesMax: LINE_BYTES_MAX,
    labelNameBytesMax: LINE_BYTES_MAX,
    labelValueBytesMax: LINE_BYTES_MAX,
    metadataBytesMax: LINE_BYTES_MAX,
    metadataCountMax: LINE_BYTES_MAX,
  },
  nowMs: 0,
  discoverServiceName: false,
  discoverLevels: false,
  labelCountMax: LINE_BYTES_MAX,
  acceptsAnyAge: true,
  trustsTimes: true,
  dropped: [],
  streams: { admitStream: () => true, admitBytes: () => true },
}

/** Entries of whole lines, and how many lines are none. `text` is overwritten, and is the batches' own. */
function decodeText(text: Uint8Array): { batches: Batch[]; wrong: number } {
  const builders: BatchBuilder[] = []
  const { entries, refused } = decodeArchiveLines(text, (tenant) => {
    const builder = new BatchBuilder({ ...STORED, tenant })
    builders.push(builder)
    return builder
  })
  const batches = builders.map((builder) => builder.build()).filter(({ count }) => count > 0)
  const kept = batches.reduce((sum, { count }) => sum + count, 0)
  return { batches, wrong: refused + entries - kept }
}
