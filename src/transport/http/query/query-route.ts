/** Common parts of all query routes: methods, tenants, limits, and parameters from the URL or a form. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import type { QueryLimits } from '../../../domain/limits.ts'
import { joinTenants } from '../../../domain/tenant.ts'
import type { AnswerCache } from '../../../flows/query/answer-cache.ts'
import type { QueryGate } from '../../../flows/query/query-gate.ts'
import type { QueryTurn, QueryTurns } from '../../../flows/query/query-turns.ts'
import { exprSlices, selectorSlices, selectorsOf } from '../../../logql/parse/parse.ts'
import type { Expr, Matcher } from '../../../logql/parse/syntax.ts'
import type { Clock, LogStore } from '../../../ports/log-store.ts'
import type { Body } from '../../../protocol/bytes/body-writer.ts'
import { QueryParams } from '../../../protocol/loki/loki-params.ts'
import {
  type AskedLimits,
  isDrilldown,
  parseQueryLimits,
  queryTags,
} from '../../../protocol/loki/query-limits-header.ts'
import type { Auth } from '../auth/auth.ts'
import { formBytesMax } from '../server-limits.ts'
import { runBounded } from './bounded-query.ts'
import { assertMatchers, assertRange, lowerLimits, withinLookback } from './request-limits.ts'
import { sendBody } from './send-body.ts'
import type { SlowQueries } from './slow-queries.ts'

/** The dependencies of query routes. */
export interface QueryParts {
  readonly store: LogStore
  readonly clock: Clock
  readonly auth: Auth
  readonly answers: AnswerCache
  readonly gate: QueryGate
  readonly turns: QueryTurns
  readonly slow: SlowQueries
  /** For a result of joinTenants. */
  readonly limitsOf: (tenant: string) => QueryLimits
  /** Whether a query may name several tenants; then the store must come from uniteTenants. */
  readonly multiTenant: boolean
}

export interface QueryRequest {
  readonly params: QueryParams
  /** The result of joinTenants. */
  readonly tenant: string
  /** The tenant's limits, lowered by those of the request. */
  readonly limits: QueryLimits
  /** Limits that only the request sets. */
  readonly asked: AskedLimits
  /**
   * True: with too many series the result has some of them and a warning, instead of an error. For Logs Drilldown, as
   * in Loki.
   */
  readonly isPartial: boolean
  readonly request: FastifyRequest
  /** For headers and status. */
  readonly reply: FastifyReply
  /** Its signal is aborted with the error to return when the client disconnects or the time is up. */
  readonly turn: QueryTurn
}

/** Parses a query of the request. Throws query_malformed, and query_refused if it exceeds the request's own limits. */
export async function readExpr({ turn, limits, asked }: QueryRequest, text: string): Promise<Expr> {
  const expr = await turn.run(exprSlices(text, { bytesMax: limits.queryBytesMax }))
  for (const matchers of selectorsOf(expr)) assertMatchers(matchers, asked)
  return expr
}

/** Parses a selector of the request. Throws like readExpr. */
export async function readSelector(
  { turn, limits, asked }: QueryRequest,
  text: string,
  options: { readonly allowEmpty?: boolean } = {},
): Promise<readonly Matcher[]> {
  const matchers = await turn.run(selectorSlices(text, { ...options, bytesMax: limits.queryBytesMax }))
  assertMatchers(matchers, asked)
  return matchers
}

/** The time range of the request. Throws query_refused if it is longer than the request allows. */
export function readRange({ clock }: QueryParts, { params, asked }: QueryRequest): { start: bigint; end: bigint } {
  const nowMs = clock.nowMs()
  const range = withinLookback(params.range(nowMs), asked, nowMs)
  if (asked.rangeMsMax !== undefined) assertRange(range, asked.rangeMsMax)
  return range
}

export interface QueryRoute {
  readonly url: string
  readonly summary: string
  readonly parameters: readonly string[]
  /** True for a route of our own: other parameters are rejected. Loki's routes ignore them. */
  readonly knownParametersOnly?: true
  /** Returns the body of the response. */
  readonly answer: (query: QueryRequest) => Promise<Body>
}

/** Serves the route for GET and POST. Parameters are parsed by Loki's rules; the schema is only for the OpenAPI document. */
export function registerQuery(app: FastifyInstance, parts: QueryParts, route: QueryRoute): void {
  const properties = Object.fromEntries(route.parameters.map((name) => [name, { type: 'string' }]))
  for (const method of ['GET', 'POST'] as const) {
    app.route({
      method,
      url: route.url,
      onRequest: parts.auth.authenticate,
      config: {
        errorFormat: 'text',
        challenge: 'basic',
        knownParametersOnly: route.knownParametersOnly === true,
      },
      schema: {
        tags: ['query'],
        summary: route.summary,
        response: { 200: { description: 'Loki’s JSON', type: 'string' } },
        ...(method === 'GET' ? { querystring: { type: 'object', properties } } : {}),
      },
      validatorCompiler: () => () => true,
      handler: (request, reply) => answerQuery(parts, route, request, reply),
    })
  }
}

async function answerQuery(
  parts: QueryParts,
  route: QueryRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { auth, gate, turns, multiTenant, limitsOf, slow } = parts
  const tenant = multiTenant ? joinTenants(auth.tenantsOf(request)) : auth.tenantOf(request)
  const asked = parseQueryLimits(headerOf(request, 'x-loki-query-limits'))
  const tags = queryTags(headerOf(request, 'x-query-tags'))
  const limits = lowerLimits(limitsOf(tenant), asked)
  const params = await readParams(request, formBytesMax(limits.queryBytesMax))
  const query = params.get('query')
  const { queryBytesMax, timeoutMs } = limits
  if (query !== undefined && Buffer.byteLength(query) > queryBytesMax) {
    throw new GatewayError('query_refused', `the query is longer than ${queryBytesMax} bytes; shorten it`)
  }
  const isPartial = isDrilldown(tags)
  const report = slow.begin(request.log, { route: route.url, tenant, tags, query })
  const body = await runBounded({ gate, turns, tenant, timeoutMs, reply }, (turn) => {
    report.running()
    return route.answer({ params, tenant, limits, asked, isPartial, request, reply, turn })
  }).finally(report.end)
  return sendBody(reply.type('application/json; charset=UTF-8'), body)
}

/** The text of a header; duplicates are joined. */
export function headerOf({ headers }: Pick<FastifyRequest, 'headers'>, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

/** The parameters from the URL, and from a form of at most `bytesMax` if the method allows one. */
export async function readParams(request: FastifyRequest, bytesMax: number): Promise<QueryParams> {
  const form = request.method === 'POST' || request.method === 'PUT' ? await readForm(request, bytesMax) : ''
  const { url } = request
  return new QueryParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '', form)
}

async function readForm(request: FastifyRequest, bytesMax: number): Promise<string> {
  const body = request.body as AsyncIterable<Buffer> | undefined
  if (body === undefined || body === null) return ''
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax) {
      throw new GatewayError('body_too_large', `request body too large: a form of more than ${bytesMax} bytes`)
    }
    chunks.push(chunk)
  }
  const type = request.headers['content-type'] ?? ''
  return type.includes('application/x-www-form-urlencoded') ? Buffer.concat(chunks).toString() : ''
}
