/**
 * The manifest in DynamoDB: an item that says how the archive is laid out, and for each tenant bucket its state and an item a day.
 *
 * `archive`, `format`: `buckets`, `version`. `archive#<bucket>`, `state`: `sealed`, the first ten minutes of arrival that are read as
 * rows, and `shards`, over how many partitions rows are spread when (see row-shards.ts). `archive#<bucket>`, `day#2026-11-29`: `v`, its version, and `files` and
 * `retired`, both zstd over JSON. A day of files is far below DynamoDB's 400 KB: 300 files are about 30 KB.
 */

import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import type { TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb'
import { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type {
  ArchiveDay,
  ArchiveFile,
  ArchiveManifest,
  BucketState,
  DayChange,
  RetiredFile,
} from '../../../ports/archive.ts'
import { errorName, storeFailure } from '../aws-errors.ts'
import {
  type ArchiveItemClient,
  bucketKey,
  daySortKey,
  FORMAT_KEY,
  FORMAT_VERSION,
  STATE_SORT_KEY,
} from './archive-items.ts'
import { formatRaises, parseRaises, raisedAt, type ShardRaise, shardsAt } from './row-shards.ts'

export interface ManifestSettings {
  readonly table: string
  /** Tenant buckets of an archive that begins; one that exists keeps its own. */
  readonly buckets: number
}

/** The state of a bucket with what writers of rows need. */
export interface RowState extends BucketState {
  /** Over how many partitions rows are spread, see shardsAt. */
  readonly raises: readonly ShardRaise[]
}

/** Attempts to raise shards while other processes raise them too. */
const RAISE_ATTEMPTS = 4
/** Days that one transaction can change beside the state: DynamoDB's limit is 100 items. */
export const DAYS_CHANGED_MAX = 98
const TEXT_BYTES_MAX = 64 * 2 ** 20
/** A bucket's first arrivals may come from a process whose clock is behind. */
const SPANS_BEFORE_FIRST = 2

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

export class DynamoManifest implements ArchiveManifest {
  readonly #client: Lazy<ArchiveItemClient>
  readonly #settings: ManifestSettings
  #buckets: number | undefined

  constructor(client: Lazy<ArchiveItemClient>, settings: ManifestSettings) {
    this.#client = client
    this.#settings = settings
  }

  async buckets(): Promise<number | undefined> {
    this.#buckets ??= readFormat(await this.#get(FORMAT_KEY))
    return this.#buckets
  }

  /** The same, of an archive that begins now if it has not. Rejects with store_unavailable or overloaded. */
  async ensureBuckets(): Promise<number> {
    const found = await this.buckets()
    if (found !== undefined) return found
    await this.#update({
      Key: FORMAT_KEY,
      UpdateExpression: 'SET buckets = if_not_exists(buckets, :buckets), version = if_not_exists(version, :version)',
      ExpressionAttributeValues: { ':buckets': this.#settings.buckets, ':version': FORMAT_VERSION },
    })
    const begun = await this.buckets()
    if (begun === undefined) throw new GatewayError('store_unavailable', 'the archive could not begin; retry later')
    return begun
  }

  async state(bucket: number): Promise<RowState | undefined> {
    const item = await this.#get({ pk: bucketKey(bucket), sk: STATE_SORT_KEY })
    return item === undefined ? undefined : readState(item)
  }

  /** The state of a bucket whose first arrivals may be those of `span`. Rejects with store_unavailable or overloaded. */
  async ensureState(bucket: number, span: number): Promise<RowState> {
    const attributes = await this.#update({
      Key: { pk: bucketKey(bucket), sk: STATE_SORT_KEY },
      UpdateExpression: 'SET sealed = if_not_exists(sealed, :first), shards = if_not_exists(shards, :none)',
      ExpressionAttributeValues: { ':first': span - SPANS_BEFORE_FIRST, ':none': '' },
    })
    return readState(attributes ?? {})
  }

  /**
   * Spreads the rows of these ten minutes and of the following hour over more than `shards` partitions, unless another process has done so;
   * resolves to all raises. Rejects with store_unavailable, overloaded or store_damaged.
   */
  async raiseShards(bucket: number, span: number, shards: number): Promise<readonly ShardRaise[]> {
    for (let attempt = 1; ; attempt++) {
      const { sealed, raises } = await this.ensureState(bucket, span)
      if (shardsAt(raises, span) > shards || attempt > RAISE_ATTEMPTS) return raises
      const next = raisedAt(raises, { span, sealed })
      const attributes = await this.#update({
        Key: { pk: bucketKey(bucket), sk: STATE_SORT_KEY },
        UpdateExpression: 'SET shards = :next',
        ConditionExpression: 'shards = :before',
        ExpressionAttributeValues: { ':next': formatRaises(next), ':before': formatRaises(raises) },
      })
      if (attributes !== undefined) return next
    }
  }

  async days(bucket: number, first = '', last = '\u007f'): Promise<readonly ArchiveDay[]> {
    const client = await this.#client()
    const input = {
      TableName: this.#settings.table,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
      ExpressionAttributeValues: { ':pk': bucketKey(bucket), ':from': daySortKey(first), ':to': daySortKey(last) },
    }
    const days: ArchiveDay[] = []
    let key: Record<string, unknown> | undefined
    do {
      try {
        const page = await client.query(key === undefined ? input : { ...input, ExclusiveStartKey: key })
        for (const item of page.Items ?? []) days.push(await readDay(item))
        key = page.LastEvaluatedKey
      } catch (cause) {
        throw storeFailure('reading the manifest from DynamoDB failed', cause)
      }
    } while (key !== undefined)
    return days
  }

  async commit(bucket: number, changes: readonly DayChange[], seal?: { from: number; to: number }): Promise<boolean> {
    if (changes.length > DAYS_CHANGED_MAX) {
      // Parts that no reader sees before the last one, which moves `sealed`.
      if (!(await this.commit(bucket, changes.slice(DAYS_CHANGED_MAX)))) return false
      return this.commit(bucket, changes.slice(0, DAYS_CHANGED_MAX), seal)
    }
    const TransactItems: NonNullable<TransactWriteCommandInput['TransactItems']> = []
    const TableName = this.#settings.table
    for (const change of changes) TransactItems.push(await changeOf(TableName, bucket, change))
    if (seal !== undefined) {
      TransactItems.push({
        Update: {
          TableName,
          Key: { pk: bucketKey(bucket), sk: STATE_SORT_KEY },
          UpdateExpression: 'SET sealed = :to',
          ConditionExpression: 'sealed = :from',
          ExpressionAttributeValues: { ':to': seal.to, ':from': seal.from },
        },
      })
    }
    if (TransactItems.length === 0) return true
    try {
      const client = await this.#client()
      await client.transactWrite({ TransactItems })
      return true
    } catch (cause) {
      if (isConflict(cause)) return false
      throw storeFailure('DynamoDB did not accept a change of the manifest', cause)
    }
  }

  async #get(Key: { readonly pk: string; readonly sk: string }): Promise<Record<string, unknown> | undefined> {
    try {
      const client = await this.#client()
      return (await client.get({ TableName: this.#settings.table, Key, ConsistentRead: true })).Item
    } catch (cause) {
      throw storeFailure('reading the manifest from DynamoDB failed', cause)
    }
  }

  /** Undefined if the condition does not hold. */
  async #update(input: {
    Key: { readonly pk: string; readonly sk: string }
    UpdateExpression: string
    ConditionExpression?: string
    ExpressionAttributeValues: Record<string, unknown>
  }): Promise<Record<string, unknown> | undefined> {
    try {
      const client = await this.#client()
      const found = await client.update({ TableName: this.#settings.table, ReturnValues: 'ALL_NEW', ...input })
      return found.Attributes ?? {}
    } catch (cause) {
      if (errorName(cause) === 'ConditionalCheckFailedException') return undefined
      throw storeFailure('DynamoDB did not accept a change of the manifest', cause)
    }
  }
}

/** A canceled transaction says why for each of its items: a condition that does not hold, or another transaction at the same time. */
function isConflict(cause: unknown): boolean {
  if (errorName(cause) !== 'TransactionCanceledException') return false
  const { CancellationReasons = [] } = cause as { CancellationReasons?: readonly { Code?: string }[] }
  const codes = CancellationReasons.map(({ Code = 'None' }) => Code).filter((code) => code !== 'None')
  return codes.every((code) => code === 'ConditionalCheckFailed' || code === 'TransactionConflict')
}

function readState(item: Record<string, unknown>): RowState {
  return { sealed: Number(item['sealed']), raises: parseRaises(String(item['shards'] ?? '')) }
}

function readFormat(item: Record<string, unknown> | undefined): number | undefined {
  if (item === undefined) return undefined
  if (item['version'] === FORMAT_VERSION) return Number(item['buckets'])
  const text = `the archive has format ${item['version']}, this release reads format ${FORMAT_VERSION}; install a newer release`
  throw new GatewayError('store_damaged', text)
}

type Change = NonNullable<TransactWriteCommandInput['TransactItems']>[number]

async function changeOf(TableName: string, bucket: number, { before, files, retired }: DayChange): Promise<Change> {
  const Key = { pk: bucketKey(bucket), sk: daySortKey(before.day) }
  const condition =
    before.version === 0
      ? { ConditionExpression: 'attribute_not_exists(pk)' }
      : { ConditionExpression: 'v = :before', ExpressionAttributeValues: { ':before': before.version } }
  if (files.length + retired.length === 0) return { Delete: { TableName, Key, ...condition } }
  const [packed, packedRetired] = await Promise.all([pack(files), pack(retired)])
  const Item = { ...Key, v: before.version + 1, files: packed, retired: packedRetired }
  return { Put: { TableName, Item, ...condition } }
}

function pack(value: unknown): Promise<Uint8Array> {
  return compress(
    Buffer.from(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? { ns: String(each) } : each))),
  )
}

async function readDay(item: Record<string, unknown>): Promise<ArchiveDay> {
  const day = String(item['sk']).slice(daySortKey('').length)
  try {
    return {
      day,
      version: Number(item['v']),
      files: (await unpack(item['files'])) as ArchiveFile[],
      retired: (await unpack(item['retired'])) as RetiredFile[],
    }
  } catch (cause) {
    throw new GatewayError('store_damaged', `the manifest of ${day} cannot be read; restore it from a backup`, {
      cause,
    })
  }
}

async function unpack(value: unknown): Promise<unknown> {
  const text = await decompress(value as Uint8Array, { maxOutputLength: TEXT_BYTES_MAX })
  return JSON.parse(text.toString(), (_, each) =>
    typeof each === 'object' && each !== null && 'ns' in each ? BigInt(each.ns as string) : each,
  )
}
