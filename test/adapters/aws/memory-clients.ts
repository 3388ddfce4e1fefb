/** In-memory S3 and DynamoDB with the calls that the reader uses, and a configurable page size. */

import { hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ObjectClient } from '../../../src/adapters/aws/archive-bucket.ts'
import type { ItemClient } from '../../../src/adapters/aws/recent-items.ts'

type PutObject = ObjectClient['putObject']
type GetObject = ObjectClient['getObject']
type ListObjects = ObjectClient['listObjectsV2']
type DeleteObjects = ObjectClient['deleteObjects']

export class MemoryObjects implements ObjectClient {
  readonly objects = new Map<string, Uint8Array>()
  /** Requested keys, in order. */
  readonly gets: string[] = []
  /** Requested prefixes, in order. */
  readonly lists: string[] = []
  pageSize = 1000
  /** Called before an object is returned; if it rejects, the call rejects. */
  beforeGet: (key: string, signal: AbortSignal | undefined) => Promise<void> = async () => undefined
  /** Splits the bytes of an object into pieces. */
  bodyOf: (bytes: Uint8Array) => AsyncIterable<Uint8Array> = (bytes) => Readable.from([Buffer.from(bytes)])

  putObject: PutObject = async ({ Key = '', Body }) => {
    this.objects.set(Key, Uint8Array.from(Body as Uint8Array))
    return { $metadata: {} }
  }

  deleteObjects: DeleteObjects = async ({ Delete }) => {
    for (const { Key = '' } of Delete?.Objects ?? []) this.objects.delete(Key)
    return { $metadata: {} }
  }

  getObject: GetObject = async ({ Key = '', Range }, options) => {
    this.gets.push(Key)
    await this.beforeGet(Key, options?.abortSignal)
    const bytes = this.objects.get(Key)
    if (bytes === undefined) throw Object.assign(new Error('The specified key does not exist.'), { name: 'NoSuchKey' })
    const [, start = 0, end = bytes.length - 1] = /^bytes=(\d+)-(\d+)$/.exec(Range ?? '')?.map(Number) ?? []
    // The SDK's type requires more of a body than is used.
    return { $metadata: {}, Body: this.bodyOf(bytes.subarray(start, end + 1)) as never }
  }

  listObjectsV2: ListObjects = async ({ Prefix = '', Delimiter, StartAfter = '', ContinuationToken }) => {
    this.lists.push(Prefix)
    const after = ContinuationToken ?? StartAfter
    const entries = new Map<string, boolean>()
    for (const key of [...this.objects.keys()].sort()) {
      if (!key.startsWith(Prefix)) continue
      const cut = Delimiter === undefined ? -1 : key.indexOf(Delimiter, Prefix.length)
      if (cut < 0) entries.set(key, false)
      else entries.set(key.slice(0, cut + 1), true)
    }
    const left = [...entries].filter(([key]) => key > after)
    const page = left.slice(0, this.pageSize)
    return {
      $metadata: {},
      IsTruncated: left.length > page.length,
      ...(left.length > page.length && { NextContinuationToken: page.at(-1)?.[0] }),
      CommonPrefixes: page.filter(([, isFolder]) => isFolder).map(([Prefix]) => ({ Prefix })),
      Contents: page.filter(([, isFolder]) => !isFolder).map(([key]) => this.#describe(key)),
    }
  }

  #describe(Key: string): { Key: string; Size: number; ETag: string } {
    const bytes = this.objects.get(Key) as Uint8Array
    return { Key, Size: bytes.length, ETag: `"${hash('md5', bytes)}"` }
  }
}

type Item = Record<string, unknown>

export class MemoryItems implements ItemClient {
  readonly items = new Map<string, Map<string, Item>>()
  queries = 0
  puts = 0
  pageSize = 1000
  /** Called before an item is put; if it rejects, the call rejects. */
  beforePut: (item: Item) => Promise<void> = async () => undefined

  put: ItemClient['put'] = async ({ Item = {} }) => {
    this.puts++
    await this.beforePut(Item)
    const pk = Item['pk'] as string
    const partition = this.items.get(pk) ?? new Map<string, Item>()
    this.items.set(pk, partition.set(Item['sk'] as string, Item))
    return { $metadata: {} }
  }

  /** Called before a query with the number of previous ones; if it rejects, the call rejects. */
  beforeQuery: (queries: number) => Promise<void> = async () => undefined

  query: ItemClient['query'] = async ({ ExpressionAttributeValues: values = {}, ExclusiveStartKey: last }) => {
    this.queries++
    await this.beforeQuery(this.queries)
    const { ':pk': pk, ':after': after = '', ':from': from = '', ':to': to = '\uffff' } = values
    const begin = last?.['sk'] ?? after
    const left = [...(this.items.get(pk) ?? [])]
      .filter(([sk]) => sk > begin && sk >= from && sk <= to)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const page = left.slice(0, this.pageSize)
    return {
      $metadata: {},
      Items: page.map(([, item]) => item),
      ...(left.length > page.length && { LastEvaluatedKey: { pk, sk: page.at(-1)?.[0] } }),
    }
  }
}
