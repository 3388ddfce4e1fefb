/** TransactWriteItems, which dynalite lacks, built from its other operations. */

import { createHash } from 'node:crypto'

export type Json = Record<string, unknown>
export type Answer = { readonly status: number; readonly body: Json }
/** One operation of dynalite. */
export type Call = (operation: string, input: Json) => Promise<Answer>

/** Why AWS cancels a transaction whose conditions hold: others write its items, or a partition is over its quota. */
export type Cancellation = 'TransactionConflict' | 'ThrottlingError'

export interface Action {
  readonly operation: 'PutItem' | 'UpdateItem' | 'DeleteItem' | 'ConditionCheck'
  readonly input: Json & { readonly TableName: string }
  readonly key: Json
}

/** Items of one transaction, and their bytes. See the quotas of TransactWriteItems. */
const ITEMS_MAX = 100
const BYTES_MAX = 4 * 1024 * 1024

export class Transactions {
  /** Digests of the items of executed transactions by ClientRequestToken: AWS keeps them for ten minutes. */
  readonly #done = new Map<string, string>()

  /** The actions in the body of a call, or an error response. */
  async read(body: Json, call: Call): Promise<readonly Action[] | Answer> {
    const items = (body['TransactItems'] ?? []) as Record<string, Json>[]
    const wrong = countProblem(items)
    if (wrong !== undefined) return failure('ValidationException', wrong)
    const actions: Action[] = []
    for (const item of items) actions.push(await readAction(item, call))
    const names = actions.map(({ input, key }) => JSON.stringify([input.TableName, key]))
    if (new Set(names).size < names.length) {
      return failure('ValidationException', 'Transaction request cannot include multiple operations on one item')
    }
    return actions
  }

  /** All or nothing. A transaction whose token was executed is not executed again. Nothing else may run meanwhile. */
  async write(body: Json, actions: readonly Action[], call: Call): Promise<Answer> {
    const token = body['ClientRequestToken'] as string | undefined
    const digest = createHash('sha256').update(JSON.stringify(body['TransactItems'])).digest('base64')
    const done = token === undefined ? undefined : this.#done.get(token)
    if (done !== undefined) {
      return done === digest ? { status: 200, body: {} } : failure('IdempotentParameterMismatchException', MISMATCH)
    }
    const answer = await apply(actions, call)
    if (token !== undefined && answer.status === 200) this.#done.set(token, digest)
    return answer
  }
}

const MISMATCH = 'The request uses the same client token as a previous, but non-identical request.'

export function isAnswer(read: readonly Action[] | Answer): read is Answer {
  return !Array.isArray(read)
}

/** The response to a cancelled transaction: a code for each action, `None` if it was possible. */
export function cancelled(reasons: readonly Json[]): Answer {
  const codes = reasons.map(({ Code }) => Code).join(', ')
  const text = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`
  const { body } = failure('TransactionCanceledException', text)
  return { status: 400, body: { ...body, CancellationReasons: reasons } }
}

export function failure(type: string, message: string): Answer {
  return { status: 400, body: { __type: `com.amazonaws.dynamodb.v20120810#${type}`, message } }
}

export function typeOf({ body }: Answer): string {
  return String(body['__type']).replace(/.*#/, '')
}

function countProblem(items: readonly object[]): string | undefined {
  const text = JSON.stringify(items)
  const problem = (limit: string): string =>
    `1 validation error detected: Value '${text}' at 'transactItems' failed to satisfy constraint: Member must have length ${limit}`
  if (items.length === 0) return problem('greater than or equal to 1')
  if (items.length > ITEMS_MAX) return problem(`less than or equal to ${ITEMS_MAX}`)
  if (text.length > BYTES_MAX) return 'Transaction request exceeded maximum size of 4194304 bytes'
  return undefined
}

/** Actions before a failed condition are undone. */
async function apply(actions: readonly Action[], call: Call): Promise<Answer> {
  const undo: (() => Promise<unknown>)[] = []
  const reasons: Json[] = []
  for (const { operation, input, key } of actions) {
    const { TableName, ReturnValuesOnConditionCheckFailure, ...rest } = input
    const { body } = await call('GetItem', { TableName, Key: key, ConsistentRead: true })
    const Item = body['Item']
    const restore = () =>
      Item === undefined ? call('DeleteItem', { TableName, Key: key }) : call('PutItem', { TableName, Item })
    // An update of nothing checks its condition, but creates a missing item.
    const answer = await call(operation === 'ConditionCheck' ? 'UpdateItem' : operation, { TableName, ...rest })
    if (answer.status === 200) {
      reasons.push({ Code: 'None' })
      if (operation === 'ConditionCheck') await restore()
      else undo.push(restore)
      continue
    }
    if (typeOf(answer) !== 'ConditionalCheckFailedException') {
      for (const step of undo) await step()
      return answer
    }
    const shown = ReturnValuesOnConditionCheckFailure === 'ALL_OLD' && Item !== undefined ? { Item } : {}
    reasons.push({ Code: 'ConditionalCheckFailed', Message: 'The conditional request failed', ...shown })
  }
  if (reasons.every(({ Code }) => Code === 'None')) return { status: 200, body: {} }
  for (const step of undo) await step()
  return cancelled(reasons)
}

async function readAction(item: Record<string, Json>, call: Call): Promise<Action> {
  const [name = '', input = {}] = Object.entries(item)[0] ?? []
  const TableName = String(input['TableName'])
  const operation = (name === 'ConditionCheck' ? name : `${name}Item`) as Action['operation']
  if (name !== 'Put') return { operation, input: { ...input, TableName }, key: input['Key'] as Json }
  const { body } = await call('DescribeTable', { TableName })
  const schema = ((body['Table'] as Json | undefined)?.['KeySchema'] ?? []) as { AttributeName: string }[]
  const values = input['Item'] as Json
  const key = Object.fromEntries(schema.map(({ AttributeName }) => [AttributeName, values[AttributeName]]))
  return { operation, input: { ...input, TableName }, key }
}
