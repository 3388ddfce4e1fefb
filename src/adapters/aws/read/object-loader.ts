/** Decodes an archive object to batches, a few megabytes of text at a time. */

import { createGunzip, type Gunzip } from 'node:zlib'
import type { Batch } from '../../../domain/entries/batch.ts'
import { type Admission, BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import { PUSH_LIMITS } from '../../../domain/limits.ts'
import { decodeArchiveLines } from '../../../protocol/archive/archive-lines.ts'

/** Text decoded at a time: enough for large blocks, and small enough for several objects in parallel. */
const TEXT_BYTES = 4 * 1024 * 1024
/** Maximum length of a line, far above the limits of a push; an endless line would exhaust the memory. */
const LINE_BYTES_MAX = 64 * 1024 * 1024
/** Compressed bytes passed to zlib at a time; they inflate by a factor of at most about a thousand. */
const PIECE_BYTES = 16 * 1024
/** Firehose's largest buffer, 128 MiB compressed, has about 2 GiB of ordinary lines. */
const OBJECT_TEXT_BYTES_MAX = 16 * 1024 * 1024 * 1024

const NEWLINE = 0x0a

/** Damage of an object. */
export interface Damage {
  /** A clause about the object: `it cannot be decompressed (…)`. */
  readonly why: string
  /** The byte near which decompression failed: a second load with `careFrom` set to it may recover more. */
  readonly failedAt: number | undefined
}

export interface LoadOptions {
  /** From this compressed byte on, pass single bytes to zlib. */
  readonly careFrom?: number
  /** Checked between pieces: an object may inflate for a while without an entry. */
  readonly signal?: AbortSignal
}

/**
 * Passes the entries of the gzip members to `append`, in order, one batch per tenant; `append` may use the batch until it
 * resolves. Resolves with the damage of the object, or undefined; readable entries are passed in any case. zlib discards
 * the output of a piece in which it fails: a second load with `careFrom` recovers it. Rejects like `append` and `body`, or
 * with the signal's reason.
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
  return refused === 0 ? undefined : { why: `${refused} of its lines are not valid entries`, failedAt: undefined }
}

function pieceBytes(at: number, careFrom: number): number {
  if (at < careFrom) return Math.min(PIECE_BYTES, careFrom - at)
  return at < careFrom + PIECE_BYTES ? 1 : PIECE_BYTES
}

/** Decompresses into a buffer. Failures are recorded, not thrown. */
class Inflation {
  /** The damage found so far. */
  damage: string | undefined
  /** The start of the piece in which zlib failed. */
  failedAt: number | undefined
  /** Compressed bytes written so far. */
  written = 0
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: 64 * 1024 })
  readonly #ended: Promise<void>
  #settleWrite: () => void = () => undefined
  #parts: Buffer[] = []
  /** Decompressed bytes in the buffer, and how many of them were searched for a newline. */
  #bytes = 0
  #searched = 0
  #total = 0
  #pieceAt = 0

  constructor() {
    // In flowing mode, so that the output before a failure is not lost.
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

  /** True if there is enough text for takeLines. */
  get isFull(): boolean {
    return this.#bytes - this.#searched >= TEXT_BYTES
  }

  /** Resolves when the piece was decompressed or has failed. */
  async write(piece: Uint8Array): Promise<void> {
    this.#pieceAt = this.written
    this.written += piece.length
    await new Promise<void>((resolve) => {
      // A failed write does not call back; only the error event fires.
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

  /** Frees zlib's memory, which the garbage collector does not see. */
  destroy(): void {
    this.#gunzip.destroy()
  }

  /** Takes the complete lines; a partial line stays. */
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

  /** Takes the rest, after everything was written. */
  takeRest(): Uint8Array {
    const text = this.#takeAll()
    // If the bytes are damaged, the last line is incomplete.
    return this.damage === undefined ? text : text.subarray(0, text.lastIndexOf(NEWLINE) + 1)
  }

  #takeAll(): Buffer {
    const text = Buffer.concat(this.#parts, this.#bytes)
    this.#parts = []
    this.#bytes = this.#searched = 0
    return text
  }
}

/** Stored entries were validated on arrival and are accepted unchanged. */
export const STORED: Omit<Admission, 'tenant'> = {
  limits: {
    ...PUSH_LIMITS,
    ageMsMax: undefined,
    futureMsMax: 2 ** 45,
    lineBytesMax: LINE_BYTES_MAX,
    labelNameBytesMax: LINE_BYTES_MAX,
    labelValueBytesMax: LINE_BYTES_MAX,
    metadataBytesMax: LINE_BYTES_MAX,
    metadataCountMax: LINE_BYTES_MAX,
    pushEntriesMax: Number.POSITIVE_INFINITY,
    pushLabelBytesMax: Number.POSITIVE_INFINITY,
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

/** Decodes complete lines to entries and counts invalid lines. `text` is overwritten and used by the batches. */
export function decodeText(text: Uint8Array): { batches: Batch[]; wrong: number } {
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
