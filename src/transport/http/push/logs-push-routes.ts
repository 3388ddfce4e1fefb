/** POST /logs: plain JSON for programs without a Loki client. */

import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import { REFUSAL_STATUS, type Refusal } from '../../../domain/entries/refusals.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { PushOutcome } from '../../../flows/push/accept-push.ts'
import type { Slices } from '../../../kit/slices.ts'
import { formatDatetime, sliceLogsToSink } from '../../../protocol/logs/logs-entries.ts'
import { isLogProblem, type LogItem, type LogProblem, sliceLogs } from '../../../protocol/logs/logs-json.ts'
import type { Auth } from '../auth/auth.ts'
import type { PushReceiver } from './push-receiver.ts'
import { mediaTypeOf } from './request-body.ts'

const JSON_TYPES = ['application/json', 'text/json']
const NDJSON_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines']

// Written out instead of using the schema library, because push routes are loaded when a function starts.
const CREATED = {
  type: 'object',
  required: ['id', 'datetime'],
  properties: {
    id: { description: 'The id of the request, or one made for it', type: 'string' },
    datetime: { description: 'When the log was taken, ISO 8601', type: 'string' },
  },
}
const PROBLEM = {
  type: 'object',
  required: ['index', 'error'],
  properties: {
    index: { type: 'integer' },
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: { code: { type: 'string' }, message: { type: 'string' } },
    },
  },
}
const CREATED_MANY = {
  type: 'object',
  required: ['accepted', 'rejected', 'items'],
  properties: {
    accepted: { type: 'integer' },
    rejected: { type: 'integer' },
    items: {
      description: 'One for each log, in the order of the body',
      type: 'array',
      items: { anyOf: [CREATED, PROBLEM] },
    },
  },
}
/** For the OpenAPI document; responses are written by formatters that keep posted numbers and keys unchanged. */
const ANSWERS = {
  201: {
    description: 'See the schema',
    content: { 'application/json': { schema: { anyOf: [CREATED, CREATED_MANY] } } },
  },
}

export function registerLogsPush(app: FastifyInstance, receiver: PushReceiver, auth: Auth): void {
  app.post(
    '/logs',
    {
      onRequest: auth.authenticate,
      config: { errorFormat: 'json', challenge: 'bearer', knownParametersOnly: true },
      schema: {
        tags: ['logs'],
        summary: 'Store one log, an array of them, or one a line',
        consumes: [...JSON_TYPES.slice(0, 1), ...NDJSON_TYPES.slice(0, 1)],
        response: ANSWERS,
      },
    },
    async (request, reply) => {
      const tenant = auth.tenantOf(request)
      const type = logsForm(request.headers['content-type'])
      const { outcome, decoded } = await receiver.receive(request, {
        tenant,
        protocol: 'logs',
        form: 'json',
        decode: function* (bytes, { sink, nowMs }) {
          const { isSingle, results } = yield* sliceLogs(bytes, type)
          const takeNs = (count: number): bigint => receiver.times.take(nowMs, count)
          return { isSingle, answers: yield* placeLogs(results, sink, takeNs) }
        },
      })
      const { isSingle, answers } = decoded
      return isSingle ? answerOne(reply, answers[0] as Answer, outcome) : answerMany(reply, answers, outcome)
    },
  )
}

/** The result for a log: its id and time if stored, otherwise the reason. */
type Answer = { readonly id: string; readonly ns: bigint } | LogProblem

function logsForm(header: string | undefined): 'json' | 'ndjson' {
  const type = mediaTypeOf(header)
  if (JSON_TYPES.includes(type)) return 'json'
  if (NDJSON_TYPES.includes(type)) return 'ndjson'
  const text = `Content-Type is "${type}"; send application/json, or application/x-ndjson for one object a line`
  throw new GatewayError('media_type_invalid', text)
}

/** Passes the valid logs to the builder; returns the results in the order of the body. */
function* placeLogs(
  results: readonly (LogItem | LogProblem)[],
  builder: BatchBuilder,
  takeNs: (count: number) => bigint,
): Slices<Answer[]> {
  const places: number[] = []
  const items: LogItem[] = []
  const givenIds = new Set<LogItem>()
  const answers: Answer[] = []
  for (const [i, result] of results.entries()) {
    if (isLogProblem(result)) {
      answers[i] = result
      continue
    }
    const item = result.id === undefined ? { ...result, id: randomUUID() } : result
    if (result.id !== undefined) givenIds.add(item)
    places.push(i)
    items.push(item)
  }
  let at = 0
  let kept = 0
  const afterEntry = (item: LogItem, ns: bigint): void => {
    const index = places[at++] as number
    if (builder.count === kept && builder.refusals.last !== undefined) {
      answers[index] = toProblem(index, builder.refusals.last)
      return
    }
    kept = builder.count
    // A client's own id identifies a retry; generated ids never repeat.
    if (givenIds.has(item)) builder.identifyLast(item.id as string)
    answers[index] = { id: item.id as string, ns }
  }
  if (items.length > 0) yield* sliceLogsToSink(items, { firstNs: takeNs(items.length), afterEntry }, builder)
  return answers
}

function toProblem(index: number, { reason, text }: Refusal): LogProblem {
  return { index, code: REFUSAL_STATUS[reason] === 429 ? 'entries_limited' : 'entries_refused', message: text }
}

function answerOne(reply: FastifyReply, answer: Answer, outcome: PushOutcome): FastifyReply {
  if ('code' in answer) throw new GatewayError(answer.code, answer.message)
  return reply.status(201).type('application/json').send(formatCreated(answer, outcome))
}

function answerMany(reply: FastifyReply, answers: readonly Answer[], outcome: PushOutcome): FastifyReply {
  const rejected = answers.filter((answer) => 'code' in answer).length
  const items = answers.map((answer) =>
    'code' in answer
      ? JSON.stringify({ index: answer.index, error: { code: answer.code, message: answer.message } })
      : formatCreated(answer, outcome),
  )
  const accepted = answers.length - rejected
  return reply
    .status(accepted > 0 ? 201 : 400)
    .type('application/json')
    .send(`{"accepted":${accepted},"rejected":${rejected},"items":[${items.join(',')}]}`)
}

/** A used id gets the same response as the first time. */
function formatCreated({ id, ns }: { id: string; ns: bigint }, { takenIds }: PushOutcome): string {
  return JSON.stringify({ id, datetime: formatDatetime(takenIds.get(id) ?? ns) })
}
