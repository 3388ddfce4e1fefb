/** Makes a part of a batch fail: forwards the rest, and adds the failures to the response. */

import type { Random } from '../support/random.ts'

/**
 * A split batch call: `forwarded` is sent to the service, undefined if nothing is left; `join` combines both halves.
 */
export interface SplitBatch {
  readonly forwarded: Json | undefined
  /** The response to the whole call, from the service's response to the forwarded part ({} if there was none). */
  readonly join: (answer: Json) => Json
}

type Json = Readonly<Record<string, unknown>>

type Split = (body: never, fails: () => boolean) => SplitBatch

interface FirehoseBody {
  readonly Records: readonly unknown[]
}

interface SqsBody {
  readonly Entries: readonly { readonly Id: string }[]
}

interface DynamoBody {
  readonly RequestItems: Readonly<Record<string, readonly unknown[]>>
}

const SPLITS: ReadonlyMap<string, Split> = new Map<string, Split>([
  ['PutRecordBatch', splitRecords],
  ['SendMessageBatch', splitEntries],
  ['DeleteMessageBatch', splitEntries],
  ['ChangeMessageVisibilityBatch', splitEntries],
  ['BatchWriteItem', splitItems],
])

export function canSplit(operation: string): boolean {
  return SPLITS.has(operation)
}

/** Fails about half of a batch. The body is from the SDK, for this operation. */
export function splitBatch(operation: string, body: Buffer, random: Random): SplitBatch {
  const split = SPLITS.get(operation)
  if (split === undefined) throw new Error(`BUG: ${operation} is not a batch`)
  return split(JSON.parse(body.toString()) as never, () => random.chance(0.5))
}

function splitRecords(body: FirehoseBody, fails: () => boolean): SplitBatch {
  const isFailed = body.Records.map(fails)
  const Records = body.Records.filter((_, at) => !isFailed[at])
  const failure = { ErrorCode: 'ServiceUnavailableException', ErrorMessage: 'Slow down.' }
  return {
    forwarded: Records.length === 0 ? undefined : { ...body, Records },
    join: (answer) => {
      const taken = [...((answer['RequestResponses'] ?? []) as object[])]
      const RequestResponses = isFailed.map((failed) => (failed ? failure : (taken.shift() ?? failure)))
      const FailedPutCount = RequestResponses.filter((response) => 'ErrorCode' in response).length
      return { ...answer, FailedPutCount, RequestResponses }
    },
  }
}

function splitEntries(body: SqsBody, fails: () => boolean): SplitBatch {
  const failed = body.Entries.filter(fails)
  const Entries = body.Entries.filter((entry) => !failed.includes(entry))
  const failures = failed.map(({ Id }) => ({
    Id,
    SenderFault: false,
    Code: 'InternalError',
    Message: 'We encountered an internal error. Please try again.',
  }))
  return {
    forwarded: Entries.length === 0 ? undefined : { ...body, Entries },
    join: (answer) => ({
      Successful: [],
      ...answer,
      Failed: [...((answer['Failed'] ?? []) as object[]), ...failures],
    }),
  }
}

function splitItems(body: DynamoBody, fails: () => boolean): SplitBatch {
  const taken: [string, readonly unknown[]][] = []
  const left = new Map<string, unknown[]>()
  for (const [table, writes] of Object.entries(body.RequestItems)) {
    const failed = writes.filter(fails)
    if (failed.length > 0) left.set(table, failed)
    const rest = writes.filter((write) => !failed.includes(write))
    if (rest.length > 0) taken.push([table, rest])
  }
  return {
    forwarded: taken.length === 0 ? undefined : { ...body, RequestItems: Object.fromEntries(taken) },
    join: (answer) => {
      const unprocessed = (answer['UnprocessedItems'] ?? {}) as Record<string, unknown[]>
      for (const [table, writes] of Object.entries(unprocessed)) {
        left.set(table, [...(left.get(table) ?? []), ...writes])
      }
      return { ...answer, UnprocessedItems: Object.fromEntries(left) }
    },
  }
}
