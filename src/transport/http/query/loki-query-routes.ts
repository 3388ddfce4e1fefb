/** Loki's query API. */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { compareText, type Labels, labelValue } from '../../../domain/labels.ts'
import type { QueryLimits } from '../../../domain/limits.ts'
import { type Matcher, matchesAll } from '../../../domain/selector.ts'
import { msToNs, NS_PER_MS, NS_PER_SECOND } from '../../../domain/time.ts'
import { runLogQuery } from '../../../flows/query/run-log-query.ts'
import { planMetricQuery } from '../../../flows/query/run-metric-query.ts'
import { type Slices, Stride, sortSlices } from '../../../kit/slices.ts'
import type { MetricTime } from '../../../logql/metric/metric-query.ts'
import { formatGoDuration } from '../../../logql/parse/literal.ts'
import type { MetricExpr } from '../../../logql/parse/syntax.ts'
import type { Body } from '../../../protocol/bytes/body-writer.ts'
import {
  formatMetricAnswer,
  formatNames,
  formatSeries,
  formatStreamsAnswer,
} from '../../../protocol/loki/loki-result.ts'
import { cachedAnswer } from './cached-answer.ts'
import { type QueryParts, type QueryRequest, readExpr, readSelector, registerQuery } from './query-route.ts'

const RANGE_PARAMETERS = ['start', 'end', 'since'] as const
/** Entries of a response if the client sends no limit. */
const LIMIT_DEFAULT = 100
/** Streams processed between two yields. */
const STREAMS_PER_SLICE = 500
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
  const { params, tenant, limits, turn, request } = query
  const expr = await readExpr(query, params.required('query'))
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
  const { streams, stats } = await runLogQuery(store, clock, limits, asked, turn)
  return turn.run(formatStreamsAnswer(streams, wantsCategories(request), stats))
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
  const { params, tenant, limits, turn } = query
  const { span, steps, isTimeless, run } = planMetricQuery(parts.clock, limits, { tenant, expr, time })
  const { start, step, count } = steps
  const question = [params.required('query'), time.kind, String(start), String(step), count, limits.seriesMax]
  const asked = span === undefined || !isTimeless ? undefined : { ...span, question: ['metric', ...question] }
  return cachedAnswer(parts, query, asked, async () => {
    const { result, stats } = await run(parts.store, turn)
    return turn.run(formatMetricAnswer(result, stats))
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
  const names = await query.turn.run(distinct(streams, (labels) => labels.map(({ name }) => name)))
  return names.filter((name) => name !== SHARD_LABEL)
}

/** The values of the label in the URL. */
export async function labelValues(parts: QueryParts, query: QueryRequest): Promise<string[]> {
  const { name } = query.request.params as { name: string }
  const streams = await selectedStreams(parts, query)
  return query.turn.run(distinct(streams, (labels) => [labelValue(labels, name)]))
}

/** The streams that match any of the `match` parameters. */
export async function selectedSeries({ store, clock }: QueryParts, query: QueryRequest): Promise<Labels[]> {
  const { params, tenant, turn } = query
  const selectors: (readonly Matcher[])[] = []
  for (const text of params.getAll('match', 'match[]')) {
    selectors.push(await readSelector(query, text, { allowEmpty: true }))
  }
  const range = { tenant, matchers: [], ...params.range(clock.nowMs()), pause: turn.pause }
  return turn.run(takenBy(selectors, await store.streams(range, turn.signal)))
}

/** The streams that match any of the selectors; all streams if there are none. */
function* takenBy(selectors: readonly (readonly Matcher[])[], streams: readonly Labels[]): Slices<Labels[]> {
  const stride = new Stride(STREAMS_PER_SLICE)
  const taken: Labels[] = []
  for (const labels of streams) {
    if (selectors.length === 0 || selectors.some((matchers) => matchesAll(matchers, labels))) taken.push(labels)
    if (stride.isDue(1 + selectors.length)) yield
  }
  return taken
}

async function selectedStreams({ store, clock }: QueryParts, query: QueryRequest): Promise<readonly Labels[]> {
  const { params, tenant, turn } = query
  const text = params.get('query')
  const matchers = text === undefined ? [] : await readSelector(query, text)
  return store.streams({ tenant, matchers, ...params.range(clock.nowMs()), pause: turn.pause }, turn.signal)
}

/** The distinct texts of all streams except the empty one, sorted. */
function* distinct(streams: readonly Labels[], textsOf: (labels: Labels) => readonly string[]): Slices<string[]> {
  const stride = new Stride(STREAMS_PER_SLICE)
  const texts = new Set<string>()
  for (const labels of streams) {
    for (const text of textsOf(labels)) texts.add(text)
    if (stride.isDue()) yield
  }
  texts.delete('')
  return yield* sortSlices([...texts], compareText)
}

/** Whether the client accepts categorised labels; the header is a list in which unknown flags are ignored. */
export function wantsCategories(request: FastifyRequest): boolean {
  const flags = request.headers['x-loki-response-encoding-flags']
  const text = Array.isArray(flags) ? flags.join(',') : (flags ?? '')
  return text.split(',').some((flag) => flag.trim() === 'categorize-labels')
}
