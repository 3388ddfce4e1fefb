/** Loki's query API. */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { compareText, type Labels, labelValue } from '../../../domain/labels.ts'
import type { QueryLimits } from '../../../domain/limits.ts'
import { type Matcher, matchesAll } from '../../../domain/selector.ts'
import { msToNs, NS_PER_MS, NS_PER_SECOND } from '../../../domain/time.ts'
import { runLogQuery } from '../../../flows/query/run-log-query.ts'
import { planMetricQuery } from '../../../flows/query/run-metric-query.ts'
import type { MetricTime } from '../../../logql/metric/metric-query.ts'
import { formatGoDuration } from '../../../logql/parse/literal.ts'
import { parseExpr, parseSelector } from '../../../logql/parse/parse.ts'
import type { MetricExpr } from '../../../logql/parse/syntax.ts'
import {
  formatMetricAnswer,
  formatNames,
  formatSeries,
  formatStreamsAnswer,
} from '../../../protocol/loki/loki-result.ts'
import { cachedAnswer } from './cached-answer.ts'
import { type QueryParts, type QueryRequest, registerQuery } from './query-route.ts'

const RANGE_PARAMETERS = ['start', 'end', 'since'] as const
/** Entries of a response if the client sends no limit. */
const LIMIT_DEFAULT = 100
/** Label of streams that Loki has split; Loki hides the name. */
const SHARD_LABEL = '__stream_shard__'

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
      answer: async (query) => formatNames(await labelNames(parts, query)),
    })
  }
  registerQuery(app, parts, {
    url: '/loki/api/v1/label/:name/values',
    summary: 'Values of a label',
    parameters: ['query', ...RANGE_PARAMETERS],
    answer: async (query) => formatNames(await labelValues(parts, query)),
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/series',
    summary: 'Label sets of streams',
    parameters: ['match', 'match[]', ...RANGE_PARAMETERS],
    answer: async (query) => formatSeries(await selectedSeries(parts, query)),
  })
}

async function queryRange(parts: QueryParts, query: QueryRequest): Promise<string> {
  const { store, clock } = parts
  const { params, tenant, limits, signal, request } = query
  const expr = parseExpr(params.required('query'))
  const { start, end } = params.range(clock.nowMs())
  assertRange(start, end, limits)
  if (expr.kind !== 'log') {
    const step = params.duration('step') ?? defaultStep(start, end)
    return metricAnswer(parts, query, expr, { kind: 'range', start, end, step })
  }
  const asked = {
    tenant,
    expr,
    start,
    end,
    limit: params.limit(LIMIT_DEFAULT),
    direction: params.direction(),
    intervalNs: params.duration('interval') ?? 0n,
  }
  if (asked.intervalNs < 0n) throw new GatewayError('parameter_invalid', 'interval must not be negative')
  const { streams, stats } = await runLogQuery(store, clock, limits, asked, signal)
  return formatStreamsAnswer(streams, wantsCategories(request), stats)
}

async function queryInstant(parts: QueryParts, query: QueryRequest): Promise<string> {
  const { params } = query
  const expr = parseExpr(params.required('query'))
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
function metricAnswer(parts: QueryParts, query: QueryRequest, expr: MetricExpr, time: MetricTime): Promise<string> {
  const { params, tenant, limits, signal } = query
  const { span, steps, isTimeless, run } = planMetricQuery(parts.clock, limits, { tenant, expr, time })
  const { start, step, count } = steps
  const question = [params.required('query'), time.kind, String(start), String(step), count, limits.seriesMax]
  const asked = span === undefined || !isTimeless ? undefined : { ...span, question: ['metric', ...question] }
  return cachedAnswer(parts, query, asked, async () => {
    const { result, stats } = await run(parts.store, signal)
    return formatMetricAnswer(result, stats)
  })
}

/** Loki's default step: 250 points over the range, and at least a second. */
function defaultStep(start: bigint, end: bigint): bigint {
  const seconds = (end - start) / (250n * NS_PER_SECOND)
  return (seconds > 0n ? seconds : 1n) * NS_PER_SECOND
}

function assertRange(start: bigint, end: bigint, { rangeMsMax }: QueryLimits): void {
  if (end - start <= BigInt(rangeMsMax) * NS_PER_MS) return
  const length = formatGoDuration(end - start)
  const limit = formatGoDuration(BigInt(rangeMsMax) * NS_PER_MS)
  const text = `the query time range exceeds the limit (query length: ${length}, limit: ${limit})`
  throw new GatewayError('query_refused', text)
}

/** The label names of the streams that the request selects. */
export async function labelNames(parts: QueryParts, query: QueryRequest): Promise<string[]> {
  const streams = await selectedStreams(parts, query)
  return distinct(streams.flatMap((labels) => labels.map(({ name }) => name))).filter((name) => name !== SHARD_LABEL)
}

/** The values of the label in the URL. */
export async function labelValues(parts: QueryParts, query: QueryRequest): Promise<string[]> {
  const { name } = query.request.params as { name: string }
  const streams = await selectedStreams(parts, query)
  return distinct(streams.map((labels) => labelValue(labels, name)))
}

/** The streams that match any of the `match` parameters. */
export async function selectedSeries(
  { store, clock }: QueryParts,
  { params, tenant, signal }: QueryRequest,
): Promise<Labels[]> {
  const selectors = params.getAll('match', 'match[]').map((text) => parseSelector(text, { allowEmpty: true }))
  const streams = await store.streams({ tenant, matchers: [], ...params.range(clock.nowMs()) }, signal)
  const isWanted = (labels: Labels): boolean =>
    selectors.length === 0 || selectors.some((matchers) => matchesAll(matchers, labels))
  return streams.filter(isWanted)
}

function selectedStreams(
  { store, clock }: QueryParts,
  { params, tenant, signal }: QueryRequest,
): Promise<readonly Labels[]> {
  const text = params.get('query')
  const matchers: readonly Matcher[] = text === undefined ? [] : parseSelector(text)
  return store.streams({ tenant, matchers, ...params.range(clock.nowMs()) }, signal)
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].filter((value) => value !== '').sort(compareText)
}

/** Whether the client accepts categorised labels; the header is a list in which unknown flags are ignored. */
export function wantsCategories(request: FastifyRequest): boolean {
  const flags = request.headers['x-loki-response-encoding-flags']
  const text = Array.isArray(flags) ? flags.join(',') : (flags ?? '')
  return text.split(',').some((flag) => flag.trim() === 'categorize-labels')
}
