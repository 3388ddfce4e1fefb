/** The archive bucket: objects are written once, listed in key order, and read as streams. */

import type {
  DeleteObjectsCommandInput,
  DeleteObjectsCommandOutput,
  GetObjectCommandInput,
  GetObjectCommandOutput,
  ListObjectsV2CommandInput,
  ListObjectsV2CommandOutput,
  PutObjectCommandInput,
  PutObjectCommandOutput,
} from '@aws-sdk/client-s3'
import { GatewayError } from '../../domain/errors.ts'
import type { Lazy } from '../../kit/lazy.ts'
import { isMissing, storeFailure } from './aws-errors.ts'

interface CallOptions {
  abortSignal?: AbortSignal
}

/** The used part of the SDK's `S3`. */
export interface ObjectClient {
  putObject(input: PutObjectCommandInput, options?: CallOptions): Promise<PutObjectCommandOutput>
  getObject(input: GetObjectCommandInput, options?: CallOptions): Promise<GetObjectCommandOutput>
  listObjectsV2(input: ListObjectsV2CommandInput, options?: CallOptions): Promise<ListObjectsV2CommandOutput>
  deleteObjects(input: DeleteObjectsCommandInput): Promise<DeleteObjectsCommandOutput>
}

export interface StoredObject {
  readonly key: string
  readonly bytes: number
  /** Changes if the object is overwritten with different bytes. */
  readonly etag: string
}

/** One page of a listing: at most 1000 objects and folders. */
export interface ObjectPage {
  /** Sorted by key. */
  readonly objects: readonly StoredObject[]
  /** With a delimiter: the common prefixes, sorted. */
  readonly folders: readonly string[]
}

export interface ListRequest {
  readonly prefix: string
  /** Only keys after this one, in the order of UTF-8 bytes. */
  readonly startAfter?: string
  /** Groups keys with a common prefix up to it, such as `/`. */
  readonly delimiter?: string
}

export class ArchiveBucket {
  readonly #client: Lazy<ObjectClient>
  readonly #bucket: string

  constructor(client: Lazy<ObjectClient>, bucket: string) {
    this.#client = client
    this.#bucket = bucket
  }

  /**
   * Resolves when S3 has stored the object, replacing one with the same key. Rejects with store_unavailable or
   * overloaded.
   */
  async put(key: string, body: Uint8Array): Promise<void> {
    try {
      const client = await this.#client()
      await client.putObject({ Bucket: this.#bucket, Key: key, Body: body, ContentType: contentType(key) })
    } catch (cause) {
      throw storeFailure('S3 did not accept an object', cause)
    }
  }

  /**
   * Streams the object's bytes; undefined if the object does not exist (a lifecycle rule may have deleted it since it was
   * listed). Rejects with store_unavailable or overloaded, also while the bytes are read, and with query_cancelled if
   * `signal` was aborted. A reader that stops early closes the connection.
   */
  async get(key: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    try {
      const client = await this.#client()
      const { Body } = await client.getObject({ Bucket: this.#bucket, Key: key }, optionsOf(signal))
      // In Node the body is always a stream of buffers; the SDK's type also covers browsers.
      return readBody((Body ?? []) as AsyncIterable<Uint8Array>, signal)
    } catch (cause) {
      if (isMissing(cause)) return undefined
      throw readFailure(cause, signal)
    }
  }

  /**
   * The bytes [start, end) of the object; undefined if the object does not exist. Rejects like `get`, and with store_damaged if the object
   * is shorter.
   */
  async getRange(key: string, start: number, end: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const chunks: Uint8Array[] = []
    try {
      const client = await this.#client()
      const input = { Bucket: this.#bucket, Key: key, Range: `bytes=${start}-${end - 1}` }
      const { Body } = await client.getObject(input, optionsOf(signal))
      for await (const chunk of (Body ?? []) as AsyncIterable<Uint8Array>) chunks.push(chunk)
    } catch (cause) {
      if (isMissing(cause)) return undefined
      throw readFailure(cause, signal)
    }
    const bytes = Buffer.concat(chunks)
    if (bytes.length === end - start) return bytes
    throw new GatewayError('store_damaged', `the object '${key}' of the archive is too short; restore the object`)
  }

  /** Deletes the objects, at most 1000; missing ones are no error. Rejects with store_unavailable or overloaded. */
  async remove(keys: readonly string[]): Promise<void> {
    try {
      const client = await this.#client()
      const input = { Bucket: this.#bucket, Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true } }
      const { Errors = [] } = await client.deleteObjects(input)
      if (Errors.length > 0) throw Object.assign(new Error(), { name: Errors[0]?.Code ?? 'Error' })
    } catch (cause) {
      throw storeFailure('S3 did not delete objects', cause)
    }
  }

  /** Pages of a listing, in order, fetched one at a time. Rejects like `get`. */
  async *list(request: ListRequest, signal?: AbortSignal): AsyncGenerator<ObjectPage, void, undefined> {
    const { prefix, startAfter, delimiter } = request
    const input = {
      Bucket: this.#bucket,
      Prefix: prefix,
      ...(startAfter !== undefined && { StartAfter: startAfter }),
      ...(delimiter !== undefined && { Delimiter: delimiter }),
    }
    let token: string | undefined
    do {
      const page = await this.#listPage(token === undefined ? input : { ...input, ContinuationToken: token }, signal)
      yield {
        objects: (page.Contents ?? []).map(({ Key = '', Size = 0, ETag = '' }) => ({
          key: Key,
          bytes: Size,
          etag: ETag,
        })),
        folders: (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix),
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async #listPage(input: ListObjectsV2CommandInput, signal?: AbortSignal): Promise<ListObjectsV2CommandOutput> {
    try {
      const client = await this.#client()
      return await client.listObjectsV2(input, optionsOf(signal))
    } catch (cause) {
      throw readFailure(cause, signal)
    }
  }
}

async function* readBody(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of body) {
      if (signal?.aborted === true) throw readFailure(undefined, signal)
      yield chunk
    }
  } catch (cause) {
    throw readFailure(cause, signal)
  }
}

function contentType(key: string): string {
  if (key.endsWith('.parquet')) return 'application/vnd.apache.parquet'
  return key.endsWith('.zst') ? 'application/zstd' : 'application/gzip'
}

function optionsOf(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { abortSignal: signal }
}

function readFailure(cause: unknown, signal: AbortSignal | undefined): GatewayError {
  if (signal?.aborted === true) {
    return new GatewayError('query_cancelled', 'the query was cancelled while reading the archive', { cause })
  }
  return storeFailure('reading from S3 failed', cause)
}
