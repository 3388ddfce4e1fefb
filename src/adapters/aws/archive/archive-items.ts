/** The calls to DynamoDB of the direct archive, and its keys. */

import type {
  GetCommandInput,
  GetCommandOutput,
  TransactWriteCommandInput,
  TransactWriteCommandOutput,
  UpdateCommandInput,
  UpdateCommandOutput,
} from '@aws-sdk/lib-dynamodb'
import type { ItemClient } from '../recent-items.ts'

/** The used part of the SDK's `DynamoDBDocument`. */
export interface ArchiveItemClient extends ItemClient {
  get(input: GetCommandInput): Promise<GetCommandOutput>
  update(input: UpdateCommandInput): Promise<UpdateCommandOutput>
  transactWrite(input: TransactWriteCommandInput): Promise<TransactWriteCommandOutput>
}

/** The item that says how the archive of a table is laid out. It is written once and never changes. */
export const FORMAT_KEY = { pk: 'archive', sk: 'format' } as const
export const FORMAT_VERSION = 1

/** The items of a bucket: its state, and one for each day of entries. */
export function bucketKey(bucket: number): string {
  return `archive#${bucket}`
}

export const STATE_SORT_KEY = 'state'

/** Sorts by day. */
export function daySortKey(day: string): string {
  return `day#${day}`
}
