/** GET /logs: plain JSON for programs without a Loki client. */

import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import type { QueryLimits } from '../../../domain/limits.ts'
import { NS_MAX, NS_MIN } from '../../../domain/time.ts'
import { type ListPage, listLogs } from '../../../flows/query/list-logs.ts'
import type { QueryGate } from '../../../flows/query/query-gate.ts'
import type { QueryTurn, QueryTurns } from '../../../flows/query/query-turns.ts'
import type { Slices } from '../../../kit/slices.ts'
import type { LogStore } from '../../../ports/log-store.ts'
import { type Body, BodyWriter } from '../../../protocol/bytes/body-writer.ts'
import { entryToLogItem, formatShownLog, LOGS_SOURCE, SEVERITY_LABEL } from '../../../protocol/logs/logs-entries.ts'
import { parseLogLine, parseSeverity, SEVERITIES } from '../../../protocol/logs/logs-json.ts'
import { openPageToken, sealPageToken } from '../../../protocol/logs/page-token.ts'
import { parseTime } from '../../../protocol/loki/loki-params.ts'
import { queryTags } from '../../../protocol/loki/query-limits-header.ts'
import type { Auth } from '../auth/auth.ts'
import { runBounded } from './bounded-query.ts'
import { headerOf } from './query-route.ts'
import { sendBody } from './send-body.ts'
import type { SlowQueries } from './slow-queries.ts'

interface LogsParts {
  readonly auth: Auth
  readonly store: LogStore
  readonly gate: QueryGate
  readonly turns: QueryTurns
  readonly slow: SlowQueries
  readonly limitsOf: (tenant: string) => Pick<QueryLimits, 'timeoutMs'>
  readonly tokenKey: Uint8Array
}

const PAGE_MAX = 100

const LogsQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: PAGE_MAX, default: PAGE_MAX }),
  severity: Type.Optional(Type.String({ description: `One of ${SEVERITIES.join(', ')}` })),
  since: Type.Optional(Type.String({ description: 'Start, inclusive: RFC 3339, seconds or nanoseconds' })),
  until: Type.Optional(Type.String({ description: 'End, exclusive' })),
  q: Type.Optional(Type.String({ description: 'Text that the message contains' })),
  nextToken: Type.Optional(Type.String({ description: 'Token of the next page; valid only with the same parameters' })),
})
const LogsPage = Type.Object({
  items: Type.Array(Type.Object({}, { additionalProperties: true })),
  hasMore: Type.Boolean(),
  nextToken: Type.Optional(Type.String()),
})
/** For the OpenAPI document; responses are written by formatters that keep posted numbers and keys unchanged. */
const ANSWERS = { 200: { description: 'See the schema', content: { 'application/json': { schema: LogsPage } } } }

export function registerLogs(app: FastifyInstance, parts: LogsParts): void {
  const { auth } = parts
  app.get<{ Querystring: Static<typeof LogsQuery> }>(
    '/logs',
    {
      onRequest: auth.authenticate,
      config: { errorFormat: 'json', challenge: 'bearer', knownParametersOnly: true },
      schema: {
        tags: ['logs'],
        summary: 'Newest logs',
        querystring: LogsQuery,
        response: ANSWERS,
      },
    },
    async (request, reply) => {
      const tenant = auth.tenantOf(request)
      const { timeoutMs } = parts.limitsOf(tenant)
      const { gate, turns, slow } = parts
      const tags = queryTags(headerOf(request, 'x-query-tags'))
      const report = slow.begin(request.log, { route: '/logs', tenant, tags, query: undefined })
      const page = await runBounded({ gate, turns, tenant, timeoutMs, reply }, (turn) => {
        report.running()
        return readPage(parts, tenant, request.query, turn)
      }).finally(report.end)
      return sendBody(reply.type('application/json'), page)
    },
  )
}

async function readPage(
  { store, tokenKey }: LogsParts,
  tenant: string,
  { limit, severity, since, until, q, nextToken }: Static<typeof LogsQuery>,
  turn: QueryTurn,
): Promise<Body> {
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
  const page = await listLogs(store, list, turn)
  const token = page.next === undefined ? '' : `,"nextToken":"${sealPageToken(tokenKey, page.next, filters)}"`
  return turn.run(formatPage(page.entries, `],"hasMore":${page.next !== undefined}${token}}`))
}

function* formatPage(entries: ListPage['entries'], end: string): Slices<Body> {
  const body = new BodyWriter()
  body.write('{"items":[')
  yield* body.writeList(entries, (entry) => formatShownLog(entryToLogItem(entry)))
  body.write(end)
  return body.finish()
}

function storedSeverity(word: string): string {
  const severity = parseSeverity(word)
  if (severity !== undefined) return severity
  throw new GatewayError('parameter_invalid', `severity must be one of ${SEVERITIES.join(', ')}`)
}

/** Matches lines whose message contains the text. Most lines are decided before they are parsed as JSON. */
function messageFilter(q: string | undefined): (line: string) => boolean {
  if (q === undefined || q === '') return () => true
  const escaped = JSON.stringify(q).slice(1, -1)
  return (line) => {
    if (!line.includes(escaped) && !line.includes(q)) return false
    return (parseLogLine(line)?.message ?? line).includes(q)
  }
}
