/** POST /logs and GET /logs: plain JSON for programs that know nothing of Loki. */

import { randomUUID } from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { BatchBuilder } from '../../domain/batch-builder.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import { REFUSAL_STATUS, type Refusal } from '../../domain/refusals.ts'
import { RisingNs } from '../../domain/rising-ns.ts'
import { NS_MAX, NS_MIN } from '../../domain/time.ts'
import type { PushOutcome } from '../../flows/accept-push.ts'
import { listLogs } from '../../flows/list-logs.ts'
import type { QueryGate } from '../../flows/query-gate.ts'
import type { LogStore } from '../../ports.ts'
import {
  entryToLogItem,
  formatDatetime,
  formatShownLog,
  LOGS_SOURCE,
  logsToSink,
  SEVERITY_LABEL,
} from '../../protocol/logs-entries.ts'
import {
  decodeLogs,
  isLogProblem,
  type LogItem,
  type LogProblem,
  parseLogLine,
  parseSeverity,
  SEVERITIES,
} from '../../protocol/logs-json.ts'
import { parseTime } from '../../protocol/loki-params.ts'
import { openPageToken, sealPageToken } from '../../protocol/page-token.ts'
import type { Auth } from './auth/auth.ts'
import { runBounded } from './bounded-query.ts'
import type { PushIntake } from './push.ts'
import { mediaTypeOf } from './request-body.ts'

interface LogsParts {
  readonly intake: PushIntake
  readonly auth: Auth
  readonly store: LogStore
  readonly gate: QueryGate
  readonly limitsOf: (tenant: string) => Pick<QueryLimits, 'timeoutMs'>
  readonly tokenKey: Uint8Array
}

const JSON_TYPES = ['application/json', 'text/json']
const NDJSON_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines']
const PAGE_MAX = 100

const Created = Type.Object({
  id: Type.String({ description: 'The id of the request, or one made for it' }),
  datetime: Type.String({ description: 'When the log was taken, ISO 8601' }),
})
const Problem = Type.Object({
  index: Type.Integer(),
  error: Type.Object({ code: Type.String(), message: Type.String() }),
})
const CreatedMany = Type.Object({
  accepted: Type.Integer(),
  rejected: Type.Integer(),
  items: Type.Array(Type.Union([Created, Problem]), { description: 'One for each log, in the order of the body' }),
})
const LogsQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: PAGE_MAX, default: PAGE_MAX }),
  severity: Type.Optional(Type.String({ description: `One of ${SEVERITIES.join(', ')}` })),
  since: Type.Optional(Type.String({ description: 'From this time on: RFC 3339, seconds or nanoseconds' })),
  until: Type.Optional(Type.String({ description: 'Before this time' })),
  q: Type.Optional(Type.String({ description: 'Text that the message contains' })),
  nextToken: Type.Optional(Type.String({ description: 'Leads to the next page of the same question' })),
})
const LogsPage = Type.Object({
  items: Type.Array(Type.Object({}, { additionalProperties: true })),
  hasMore: Type.Boolean(),
  nextToken: Type.Optional(Type.String()),
})
/** Schemas for the document; what is sent was written by formatters that keep numbers and keys as they were posted. */
const documented = <T extends object>(schema: T): { content: Record<string, { schema: T }>; description: string } => ({
  description: 'See the schema',
  content: { 'application/json': { schema } },
})

export function registerLogs(app: FastifyInstance, parts: LogsParts): void {
  const { auth } = parts
  const options = {
    onRequest: auth.authenticate,
    config: { errorFormat: 'json' as const, challenge: 'bearer' as const },
  }
  const times = new RisingNs()

  app.post(
    '/logs',
    {
      ...options,
      schema: {
        tags: ['logs'],
        summary: 'Store one log, an array of them, or one a line',
        consumes: [...JSON_TYPES.slice(0, 1), ...NDJSON_TYPES.slice(0, 1)],
        response: { 201: documented(Type.Union([Created, CreatedMany])) },
      },
    },
    async (request, reply) => {
      const { intake } = parts
      const tenant = auth.tenantOf(request)
      intake.assertOpen(tenant)
      const form = logsForm(request.headers['content-type'])
      const body = await intake.bodies.read(request)
      try {
        const { decompressedBytesMax } = intake.settings.limits
        const bytes = await intake.bodies.decompress(body, request.headers['content-encoding'], decompressedBytesMax)
        const { isSingle, results } = decodeLogs(bytes, form)
        const builder = intake.builder(request, tenant, 'logs')
        const answers = placeLogs(results, builder, (count) => times.take(intake.clock.nowMs(), count))
        const outcome = await intake.accept(builder, 'logs', body.bytes.length)
        return isSingle ? answerOne(reply, answers[0] as Answer, outcome) : answerMany(reply, answers, outcome)
      } finally {
        body.release()
      }
    },
  )

  app.get<{ Querystring: Static<typeof LogsQuery> }>(
    '/logs',
    {
      ...options,
      schema: {
        tags: ['logs'],
        summary: 'The newest logs',
        querystring: LogsQuery,
        response: { 200: documented(LogsPage) },
      },
    },
    async (request, reply) => {
      const tenant = auth.tenantOf(request)
      const { timeoutMs } = parts.limitsOf(tenant)
      const page = await runBounded({ gate: parts.gate, tenant, timeoutMs, reply }, (signal) =>
        readPage(parts, tenant, request.query, signal),
      )
      return reply.type('application/json').send(page)
    },
  )
}

/** What a log of the request is answered: stored under an id at a time, or not, and why. */
type Answer = { readonly id: string; readonly ns: bigint } | LogProblem

function logsForm(header: string | undefined): 'json' | 'ndjson' {
  const type = mediaTypeOf(header)
  if (JSON_TYPES.includes(type)) return 'json'
  if (NDJSON_TYPES.includes(type)) return 'ndjson'
  const text = `Content-Type is "${type}"; send application/json, or application/x-ndjson for one object a line`
  throw new GatewayError('media_type_invalid', text)
}

/** Hands the valid logs to the builder; the answers come in the order of the body. */
function placeLogs(
  results: readonly (LogItem | LogProblem)[],
  builder: BatchBuilder,
  takeNs: (count: number) => bigint,
): Answer[] {
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
    // An id that the client chose makes its retry recognisable; one of our own cannot come back.
    if (givenIds.has(item)) builder.identifyLast(item.id as string)
    answers[index] = { id: item.id as string, ns }
  }
  if (items.length > 0) logsToSink(items, { firstNs: takeNs(items.length), afterEntry }, builder)
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

/** An id that was taken before is answered as it was then. */
function formatCreated({ id, ns }: { id: string; ns: bigint }, { takenIds }: PushOutcome): string {
  return JSON.stringify({ id, datetime: formatDatetime(takenIds.get(id) ?? ns) })
}

async function readPage(
  { store, tokenKey }: LogsParts,
  tenant: string,
  { limit, severity, since, until, q, nextToken }: Static<typeof LogsQuery>,
  signal: AbortSignal,
): Promise<string> {
  const filters = { tenant, severity, since, until, q }
  const labels: [string, string][] = [[LOGS_SOURCE.name, LOGS_SOURCE.value]]
  if (severity !== undefined) labels.push([SEVERITY_LABEL, storedSeverity(severity)])
  const list = {
    tenant,
    labels,
    start: since === undefined ? NS_MIN : parseTime('since', since),
    end: until === undefined ? NS_MAX : parseTime('until', until),
    limit,
    isWanted: messageFilter(q),
    after: nextToken === undefined ? undefined : openPageToken(tokenKey, nextToken, filters),
  }
  const page = await listLogs(store, list, signal)
  const items = page.entries.map((entry) => formatShownLog(entryToLogItem(entry))).join(',')
  const token = page.next === undefined ? '' : `,"nextToken":"${sealPageToken(tokenKey, page.next, filters)}"`
  return `{"items":[${items}],"hasMore":${page.next !== undefined}${token}}`
}

function storedSeverity(word: string): string {
  const severity = parseSeverity(word)
  if (severity !== undefined) return severity
  throw new GatewayError('parameter_invalid', `severity is none of ${SEVERITIES.join(', ')}; use one of them`)
}

/** Lines whose message contains the text. Most lines are settled before they are read as JSON. */
function messageFilter(q: string | undefined): (line: string) => boolean {
  if (q === undefined || q === '') return () => true
  const escaped = JSON.stringify(q).slice(1, -1)
  return (line) => {
    if (!line.includes(escaped) && !line.includes(q)) return false
    return (parseLogLine(line)?.message ?? line).includes(q)
  }
}
