/** Statistics and volumes of streams, detected labels and fields, patterns. */

import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { NS_PER_SECOND } from '../../../domain/time.ts'
import { type DetectedFields, detectFields } from '../../../flows/query/detect-fields.ts'
import type { Looked } from '../../../flows/query/looked.ts'
import { detectLabels, type IndexStats, measureIndex, measureVolume } from '../../../flows/query/measure-index.ts'
import { minePatterns } from '../../../flows/query/mine-patterns.ts'
import { parseBytes } from '../../../logql/pipeline/convert.ts'
import type { StreamRange } from '../../../ports/log-store.ts'
import { type Body, bodyOf } from '../../../protocol/bytes/body-writer.ts'
import {
  formatDetectedFields,
  formatDetectedLabels,
  formatFieldValues,
  formatIndexShards,
  formatIndexStats,
  formatPatterns,
  formatVolumes,
} from '../../../protocol/loki/loki-index-result.ts'
import type { QueryParams } from '../../../protocol/loki/loki-params.ts'
import { cachedAnswer } from './cached-answer.ts'
import { type QueryParts, type QueryRequest, readExpr, readRange, readSelector, registerQuery } from './query-route.ts'

const RANGE_PARAMETERS = ['query', 'start', 'end', 'since'] as const
const VOLUME_PARAMETERS = [...RANGE_PARAMETERS, 'limit', 'targetLabels', 'aggregateBy'] as const
const FIELD_PARAMETERS = [...RANGE_PARAMETERS, 'line_limit', 'limit', 'field_limit', 'step'] as const
const VOLUME_LIMIT_DEFAULT = 100
const LINE_LIMIT_DEFAULT = 100
const FIELD_LIMIT_DEFAULT = 1000
/** Points of a range if the client sends no step. */
const POINTS_DEFAULT = 250n
/** Loki's patterns have a resolution of ten seconds. */
const PATTERN_STEP_NS = 10n * NS_PER_SECOND

export function registerLokiIndex(app: FastifyInstance, parts: QueryParts): void {
  registerQuery(app, parts, {
    url: '/loki/api/v1/index/stats',
    summary: 'Statistics of the streams of a selector',
    parameters: RANGE_PARAMETERS,
    answer: (query) => measured(parts, query, 'stats', formatIndexStats),
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/index/shards',
    summary: 'Shards of a query: always one',
    parameters: [...RANGE_PARAMETERS, 'targetBytesPerShard'],
    answer: (query) => {
      checkShardBytes(query.params)
      return measured(parts, query, 'shards', formatIndexShards)
    },
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/index/volume',
    summary: 'Bytes by label set',
    parameters: VOLUME_PARAMETERS,
    answer: (query) => volume(parts, query, undefined),
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/index/volume_range',
    summary: 'Bytes by label set over time',
    parameters: [...VOLUME_PARAMETERS, 'step'],
    answer: (query) => volume(parts, query, stepOf(parts, query)),
  })
  registerDetection(app, parts)
}

function registerDetection(app: FastifyInstance, parts: QueryParts): void {
  registerQuery(app, parts, {
    url: '/loki/api/v1/detected_labels',
    summary: 'Detected labels',
    parameters: RANGE_PARAMETERS,
    answer: async (query) => {
      const labels = await detectLabels(parts.store, await rangeOf(parts, query), query.turn)
      // They come from the streams of the range, all of them.
      query.reply.header('millrace-looked', 'whole=yes')
      return bodyOf(formatDetectedLabels(labels))
    },
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/detected_fields',
    summary: 'Detected fields',
    parameters: FIELD_PARAMETERS,
    answer: async (query) => {
      const limit = fieldLimit(query.params)
      const { fields, looked } = await fieldsOf(parts, query, { fieldLimit: limit })
      setLooked(query, looked)
      const shown = fields.map(({ values, ...field }) => ({ ...field, cardinality: values.size }))
      return bodyOf(formatDetectedFields(shown, limit))
    },
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/detected_field/:name/values',
    summary: 'Values of a detected field',
    parameters: FIELD_PARAMETERS,
    answer: async (query) => {
      const { name } = query.request.params as { name: string }
      const limit = fieldLimit(query.params)
      const { fields, looked } = await fieldsOf(parts, query, { fieldLimit: 1, only: name })
      setLooked(query, looked)
      const [field] = fields
      return bodyOf(formatFieldValues([...(field?.values ?? [])].slice(0, limit).sort(), limit))
    },
  })
  registerQuery(app, parts, {
    url: '/loki/api/v1/patterns',
    summary: 'Patterns of lines',
    parameters: [...RANGE_PARAMETERS, 'step'],
    answer: async (query) => {
      const { store, clock } = parts
      const matchers = await readSelector(query, query.params.required('query'))
      const asked = stepOf(parts, query)
      const stepNs = asked < PATTERN_STEP_NS ? PATTERN_STEP_NS : asked
      const range = { tenant: query.tenant, matchers, ...readRange(parts, query) }
      const { patterns, looked } = await minePatterns(store, clock, { ...range, stepNs }, query.turn)
      setLooked(query, looked)
      return bodyOf(formatPatterns(patterns))
    },
  })
}

/** A header beside Loki's body, since what comes from a part of the lines looks like what comes from all. */
function setLooked({ reply }: QueryRequest, { lines, oldestNs, isWhole }: Looked): void {
  const from = oldestNs === undefined ? '' : `; from=${oldestNs}`
  reply.header('millrace-looked', `lines=${lines}${from}; whole=${isWhole ? 'yes' : 'no'}`)
}

/** No query and `{}` mean all streams. */
async function rangeOf(parts: QueryParts, query: QueryRequest): Promise<StreamRange> {
  const { params, tenant } = query
  const text = params.get('query')
  const matchers = text === undefined ? [] : await readSelector(query, text, { allowEmpty: true })
  return { tenant, matchers, ...readRange(parts, query) }
}

async function measured(
  parts: QueryParts,
  query: QueryRequest,
  kind: 'stats' | 'shards',
  format: (stats: IndexStats) => string,
): Promise<Body> {
  const range = await rangeOf(parts, query)
  const { start, end } = range
  const asked = { start, end, question: [kind, query.params.get('query') ?? null] }
  return cachedAnswer(parts, query, asked, async () => {
    return bodyOf(format(await measureIndex(parts.store, range, query.turn)))
  })
}

async function volume(parts: QueryParts, query: QueryRequest, stepNs: bigint | undefined): Promise<Body> {
  const { params, turn } = query
  const targets = params.getAll('targetLabels').flatMap((text) => text.split(','))
  const targetLabels = targets.map((name) => name.trim()).filter((name) => name !== '')
  const request = {
    ...(await rangeOf(parts, query)),
    aggregateBy: aggregateBy(params),
    targetLabels: targetLabels.length === 0 ? undefined : targetLabels,
    stepNs,
    // As in Loki, 0 means no limit from the client.
    limit: params.get('limit') === '0' ? VOLUME_LIMIT_DEFAULT : params.limit(VOLUME_LIMIT_DEFAULT),
  }
  const { start, end, limit } = request
  const question = [params.get('query') ?? null, request.aggregateBy, String(stepNs), limit, ...targetLabels]
  return cachedAnswer(parts, query, { start, end, question: ['volume', ...question] }, async () =>
    turn.run(formatVolumes(await measureVolume(parts.store, request, turn))),
  )
}

function aggregateBy(params: QueryParams): 'series' | 'labels' {
  const text = params.get('aggregateBy') ?? 'series'
  if (text === 'series' || text === 'labels') return text
  throw new GatewayError('parameter_invalid', 'invalid aggregateBy; expected series or labels')
}

/** Loki's default is a 250th of the range, and at least a second. */
function stepOf(parts: QueryParts, query: QueryRequest): bigint {
  const { params, limits } = query
  const { start, end } = readRange(parts, query)
  const seconds = (end - start) / NS_PER_SECOND / POINTS_DEFAULT
  const step = params.duration('step') ?? (seconds < 1n ? 1n : seconds) * NS_PER_SECOND
  if (step <= 0n) {
    const text = 'zero or negative query resolution step widths are not accepted. Try a positive integer'
    throw new GatewayError('parameter_invalid', text)
  }
  if ((end - start) / step > BigInt(limits.pointsMax)) {
    const text = `exceeded maximum resolution of ${limits.pointsMax.toLocaleString('en')} points per time series. Try increasing the value of the step parameter`
    throw new GatewayError('query_refused', text)
  }
  return step
}

function checkShardBytes(params: QueryParams): void {
  const bytes = parseBytes(params.required('targetBytesPerShard'))
  if (bytes !== undefined && bytes > 0) return
  throw new GatewayError('parameter_invalid', 'targetBytesPerShard must be a positive value')
}

async function fieldsOf(
  parts: QueryParts,
  request: QueryRequest,
  asked: { readonly fieldLimit: number; readonly only?: string },
): Promise<DetectedFields> {
  const { params, tenant, limits, turn } = request
  const query = await readExpr(request, params.required('query'))
  if (query.kind !== 'log') {
    throw new GatewayError('query_malformed', 'parse error : only log queries have fields; remove the aggregation')
  }
  const lineLimit = positive(params, 'line_limit', LINE_LIMIT_DEFAULT)
  if (lineLimit > limits.entriesMax) {
    const text = `max entries limit per query exceeded, limit > max_entries_limit_per_query (${lineLimit} > ${limits.entriesMax})`
    throw new GatewayError('query_refused', text)
  }
  const order = { tenant, query, ...readRange(parts, request), lineLimit, nowMs: parts.clock.nowMs(), ...asked }
  return detectFields(parts.store, order, turn)
}

function fieldLimit(params: QueryParams): number {
  return positive(params, params.get('limit') === undefined ? 'field_limit' : 'limit', FIELD_LIMIT_DEFAULT)
}

function positive(params: QueryParams, name: string, fallback: number): number {
  const text = params.get(name)
  if (text === undefined || text === '0') return fallback
  if (!/^\d{1,9}$/.test(text)) throw new GatewayError('parameter_invalid', `${name} must be a whole number above zero`)
  return Number(text)
}
