/** Loki's query API. */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { msToNs, NS_PER_SECOND } from '../../../domain/time.ts'
import { runLogQuery } from '../../../flows/query/run-log-query.ts'
import { planMetricQuery } from '../../../flows/query/run-metric-query.ts'
import type { MetricTime } from '../../../logql/metric/metric-query.ts'
import { intervalsOf } from '../../../logql/parse/parse.ts'
import type { MetricExpr } from '../../../logql/parse/syntax.ts'
import type { Body } from '../../../protocol/bytes/body-writer.ts'
import {
  formatMetricAnswer,
  formatNames,
  formatSeries,
  formatStreamsAnswer,
} from '../../../protocol/loki/loki-result.ts'
import { cachedAnswer } from './cached-answer.ts'
import { type QueryParts, type QueryRequest, readExpr, readRange, registerQuery } from './query-route.ts'
import { assertBytes, assertIntervals, assertRange } from './request-limits.ts'
import { labelNames, labelValues, selectedSeries } from './select-streams.ts'

const RANGE_PARAMETERS = ['start', 'end', 'since'] as const
/** Entries of a response if the client sends no limit. */
const LIMIT_DEFAULT = 100
export function registerLokiQueries(app: FastifyInstance, parts: QueryParts): void {
  registerQuery(app, parts, {
    url: '/loki/api/v1/query_range',
    summary: 'Range query: lines or series',
    parameters: ['query', ...RANGE_PARAMETERS, 'limit', 'direction', 'step', 'interval'],
    answer: (query) => queryRange(parts, query),
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/query',
    summary: 'Instant query: samples at one time',
    parameters: ['query', 'time', 'limit', 'direction'],
    answer: (query) => queryInstant(parts, query),
  })
  for (const url of ['/loki/api/v1/labels', '/loki/api/v1/label']) {
    registerQuery(app, parts, {
      url,
      summary: 'Label names',
      parameters: ['query', ...RANGE_PARAMETERS],
      answer: async (query) => query.turn.run(formatNames(await labelNames(parts, query))),
    })
  }
  registerQuery(app, parts, {
    url: '/loki/api/v1/label/:name/values',
    summary: 'Values of a label',
    parameters: ['query', ...RANGE_PARAMETERS],
    answer: async (query) => query.turn.run(formatNames(await labelValues(parts, query))),
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/series',
    summary: 'Label sets of streams',
    parameters: ['match', 'match[]', ...RANGE_PARAMETERS],
    answer: async (query) => query.turn.run(formatSeries(await selectedSeries(parts, query))),
  })
}

async function queryRange(parts: QueryParts, query: QueryRequest): Promise<Body> {
  const { store, clock } = parts
  const { params, tenant, limits, asked, turn, request } = query
  const expr = await readExpr(query, params.required('query'))
  const range = readRange(parts, query)
  assertRange(range, limits.rangeMsMax)
  const { start, end } = range
  if (expr.kind !== 'log') {
    const step = params.duration('step') ?? defaultStep(start, end)
    return metricAnswer(parts, query, expr, { kind: 'range', start, end, step })
  }
  const lines = {
    tenant,
    expr,
    start,
    end,
    limit: params.limit(LIMIT_DEFAULT),
    direction: params.direction(),
    intervalNs: params.duration('interval') ?? 0n,
  }
  if (lines.intervalNs < 0n) throw new GatewayError('parameter_invalid', 'interval must not be negative')
  await assertBytes(store, [{ tenant, matchers: expr.matchers, start, end }], asked, turn)
  const warnings: string[] = []
  const { streams, stats } = await runLogQuery(store, clock, limits, lines, turn, warnings)
  return turn.run(formatStreamsAnswer(streams, wantsCategories(request), stats, warnings))
}

async function queryInstant(parts: QueryParts, query: QueryRequest): Promise<Body> {
  const { params } = query
  const expr = await readExpr(query, params.required('query'))
  if (expr.kind === 'log') {
    const text =
      'log queries are not supported as an instant query type, please change your query to a range query type'
    throw new GatewayError('parameter_invalid', text)
  }
  params.limit(LIMIT_DEFAULT)
  params.direction()
  return metricAnswer(parts, query, expr, {
    kind: 'instant',
    time: params.time('time', msToNs(parts.clock.nowMs())),
  })
}

/** Times are aligned to the step, so that requests within a step share a cached result. */
function metricAnswer(parts: QueryParts, query: QueryRequest, expr: MetricExpr, time: MetricTime): Promise<Body> {
  const { params, tenant, limits, asked: own, turn, isPartial } = query
  assertIntervals(intervalsOf(expr), own)
  const { span, reads, steps, isTimeless, run } = planMetricQuery(parts.clock, limits, {
    tenant,
    expr,
    time,
    isPartial,
  })
  const { start, step, count } = steps
  const limit = `${limits.seriesMax} ${isPartial} ${JSON.stringify(own)}`
  const question = [params.required('query'), time.kind, String(start), String(step), count, limit]
  const asked = span === undefined || !isTimeless ? undefined : { ...span, question: ['metric', ...question] }
  return cachedAnswer(parts, query, asked, async () => {
    await assertBytes(parts.store, reads, own, turn)
    const { result, stats } = await run(parts.store, turn, [])
    return turn.run(formatMetricAnswer(result, stats))
  })
}

/** Loki's default step: 250 points over the range, and at least a second. */
function defaultStep(start: bigint, end: bigint): bigint {
  const seconds = (end - start) / (250n * NS_PER_SECOND)
  return (seconds > 0n ? seconds : 1n) * NS_PER_SECOND
}

/** Whether the client accepts categorised labels; the header is a list in which unknown flags are ignored. */
export function wantsCategories(request: FastifyRequest): boolean {
  const flags = request.headers['x-loki-response-encoding-flags']
  const text = Array.isArray(flags) ? flags.join(',') : (flags ?? '')
  return text.split(',').some((flag) => flag.trim() === 'categorize-labels')
}
