/** Loki's read API. */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import { compareText, type Labels, labelValue } from '../../domain/labels.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import { type Matcher, matchesAll } from '../../domain/selector.ts'
import { NS_PER_MS } from '../../domain/time.ts'
import { runLogQuery } from '../../flows/run-log-query.ts'
import { formatGoDuration } from '../../logql/literal.ts'
import { parseExpr, parseSelector } from '../../logql/parse.ts'
import { formatNames, formatSeries, formatStreamsAnswer } from '../../protocol/loki-result.ts'
import { type QueryParts, type QueryRequest, registerQuery } from './query-route.ts'

const RANGE_PARAMETERS = ['start', 'end', 'since'] as const
/** Entries of an answer when the client names no limit. */
const LIMIT_DEFAULT = 100

export function registerLokiQueries(app: FastifyInstance, parts: QueryParts): void {
  registerQuery(app, parts, {
    url: '/loki/api/v1/query_range',
    summary: 'Lines of a time range',
    parameters: ['query', ...RANGE_PARAMETERS, 'limit', 'direction', 'step', 'interval'],
    answer: (query) => queryRange(parts, query),
  })
  for (const url of ['/loki/api/v1/labels', '/loki/api/v1/label', '/api/prom/label']) {
    registerQuery(app, parts, {
      url,
      summary: 'Names of labels',
      parameters: ['query', ...RANGE_PARAMETERS],
      answer: async (query) => {
        const streams = await selectedStreams(parts, query)
        return formatNames(distinct(streams.flatMap((labels) => labels.map(({ name }) => name))))
      },
    })
  }
  for (const url of ['/loki/api/v1/label/:name/values', '/api/prom/label/:name/values']) {
    registerQuery(app, parts, {
      url,
      summary: 'Values of a label',
      parameters: ['query', ...RANGE_PARAMETERS],
      answer: async (query) => {
        const { name } = query.request.params as { name: string }
        const streams = await selectedStreams(parts, query)
        return formatNames(distinct(streams.map((labels) => labelValue(labels, name))))
      },
    })
  }
  registerQuery(app, parts, {
    url: '/loki/api/v1/series',
    summary: 'Label sets of streams',
    parameters: ['match', 'match[]', ...RANGE_PARAMETERS],
    answer: (query) => series(parts, query),
  })
}

async function queryRange({ store, clock, limits }: QueryParts, query: QueryRequest): Promise<string> {
  const { params, tenant, signal, request } = query
  const expr = parseExpr(params.required('query'))
  const { start, end } = params.range(clock.nowMs())
  assertRange(start, end, limits)
  if (expr.kind !== 'log') {
    throw new GatewayError('query_unsupported', 'metric queries are not there yet; ask for lines with a log query')
  }
  const { streams, stats } = await runLogQuery(
    store,
    clock,
    limits,
    {
      tenant,
      expr,
      start,
      end,
      limit: params.limit(LIMIT_DEFAULT),
      direction: params.direction(),
      intervalNs: params.duration('interval') ?? 0n,
    },
    signal,
  )
  return formatStreamsAnswer(streams, wantsCategories(request), stats)
}

function assertRange(start: bigint, end: bigint, { rangeMsMax }: QueryLimits): void {
  if (end - start <= BigInt(rangeMsMax) * NS_PER_MS) return
  const length = formatGoDuration(end - start)
  const limit = formatGoDuration(BigInt(rangeMsMax) * NS_PER_MS)
  const text = `the query time range exceeds the limit (query length: ${length}, limit: ${limit})`
  throw new GatewayError('query_refused', text)
}

async function series({ store, clock }: QueryParts, { params, tenant, signal }: QueryRequest): Promise<string> {
  const selectors = params.getAll('match', 'match[]').map((text) => parseSelector(text, { allowEmpty: true }))
  const streams = await store.streams({ tenant, matchers: [], ...params.range(clock.nowMs()) }, signal)
  const isWanted = (labels: Labels): boolean =>
    selectors.length === 0 || selectors.some((matchers) => matchesAll(matchers, labels))
  return formatSeries(streams.filter(isWanted))
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

/** Whether the client reads labels in categories; the header is a list, of which unknown words do no harm. */
function wantsCategories(request: FastifyRequest): boolean {
  const flags = request.headers['x-loki-response-encoding-flags']
  const text = Array.isArray(flags) ? flags.join(',') : (flags ?? '')
  return text.split(',').some((flag) => flag.trim() === 'categorize-labels')
}
