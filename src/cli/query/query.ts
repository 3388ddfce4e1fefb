/** `millrace query`: runs a query against a gateway or any Loki. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../../domain/errors.ts'
import { formatLabels } from '../../domain/labels.ts'
import { msToNs } from '../../domain/time.ts'
import { askJson, CLIENT_OPTIONS, CLIENT_USAGE, type GatewayAddress, readAddress } from '../client.ts'
import { readQueryAnswer, type ShownEntry } from '../client-answer.ts'
import type { ClientSource } from '../client-settings.ts'
import type { Command, Terminal } from '../commands.ts'
import { withoutControls } from '../controls.ts'
import { commonLabels, LOOK_OPTIONS, LOOK_USAGE, type Look, pairOf, readLook } from './look.ts'
import { formatEntry, formatHead, OUTPUTS, type Output } from './query-output.ts'
import { type PagedQuery, readPages } from './query-pages.ts'
import { formatSeriesAnswer } from './query-table.ts'
import { readTimes, TIME_OPTIONS, TIME_USAGE } from './query-time.ts'

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 1_000_000_000
/** Rows of a metric table if no step is set. */
const ROWS_WANTED = 24
const STEPS_SECONDS = [1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400]

/** `hasColors`: colours levels, for a terminal. */
export function queryCommand(nowMs: () => number, hasColors: boolean): Command {
  return {
    name: 'query',
    summary: 'Runs a LogQL query: finds lines or computes metrics.',
    usage: `millrace query QUERY [options]

${TIME_USAGE}
  --limit COUNT       maximum number of lines; default ${LIMIT_DEFAULT}
  --direction WAY     backward (newest first, the default) or forward
  --step SECONDS      time between the points of a metric query
  --instant           evaluates a metric query at one time: --to, or now
${LOOK_USAGE}
${CLIENT_USAGE}

  millrace query '{app="shop"} |= "error"' --since 15m
  millrace query 'sum by (app) (count_over_time({app=~".+"}[1h]))' --instant`,
    run: async (args, terminal) => {
      const order = readOrder(args, nowMs(), terminal.client, hasColors)
      const count = order.isInstant ? await writeInstant(order, terminal) : await writeRange(order, terminal)
      if (count === 0) terminal.note('Nothing found in this time range; try --since 7d\n')
      return 0
    },
  }
}

interface QueryOrder {
  readonly gateway: GatewayAddress
  readonly query: PagedQuery
  readonly output: Output
  readonly look: Look
  readonly isInstant: boolean
}

/** Resolves to the number of lines or series. */
async function writeRange(order: QueryOrder, terminal: Terminal): Promise<number> {
  const { output } = order
  let { look } = order
  let count = 0
  for await (const page of readPages(order.gateway, order.query)) {
    if (page.kind === 'lines') {
      if (count === 0) look = begin(page.entries, order, terminal)
      for (const entry of page.entries) terminal.out(formatEntry(entry, output, look))
      count += page.entries.length
    } else {
      terminal.out(formatSeriesAnswer(page, order.output))
      count += page.series.length
    }
  }
  return count
}

/** Writes the head of a table, or as a note the labels that all lines of the first page have. */
function begin(entries: readonly ShownEntry[], { output, look }: QueryOrder, terminal: Terminal): Look {
  if (output === 'table') terminal.out(formatHead(look))
  if (output !== 'text' && output !== 'wide') return look
  const common = commonLabels(entries)
  if (common.length === 0) return look
  terminal.note(`Common labels: ${withoutControls(formatLabels(common))}\n`)
  return { ...look, common: new Set(common.map(pairOf)) }
}

async function writeInstant({ gateway, query, output }: QueryOrder, terminal: Terminal): Promise<number> {
  const json = await askJson(gateway, '/loki/api/v1/query', { query: query.query, time: query.end })
  const answer = readQueryAnswer(json, 'backward')
  if (answer.kind === 'lines')
    throw new GatewayError('query_refused', '--instant needs a metric query; remove it for lines')
  terminal.out(formatSeriesAnswer(answer, output))
  return answer.series.length
}

function readOrder(
  args: readonly string[],
  nowMs: number,
  source: ClientSource | undefined,
  isColorful: boolean,
): QueryOrder {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...TIME_OPTIONS,
      ...CLIENT_OPTIONS,
      limit: { type: 'string', default: String(LIMIT_DEFAULT) },
      direction: { type: 'string', default: 'backward' },
      step: { type: 'string' },
      instant: { type: 'boolean', default: false },
      ...LOOK_OPTIONS,
    },
  })
  const times = readTimes(values, nowMs)
  const query = readQuery(positionals)
  const { start } = times
  // Lines may be later than now, as clocks differ; points of a metric after now would only repeat.
  const isOpenMetric = values.to === undefined && !/^[\s(]*\{/.test(query)
  const end = isOpenMetric ? msToNs(nowMs) : times.end
  const step = values.step === undefined ? stepFor(end - start) : readCount('--step', values.step)
  const limit = readCount('--limit', values.limit)
  return {
    gateway: readAddress(values, source),
    query: { query, start, end, limit, direction: readDirection(values.direction), step },
    output: readOutput(values.output),
    look: readLook(values, isColorful),
    isInstant: values.instant,
  }
}

/** The single query argument. Throws parameter_invalid. */
export function readQuery(positionals: readonly string[]): string {
  const [query, second] = positionals
  if (query !== undefined && second === undefined) return query
  const text = `got ${positionals.length} queries; give one in quotes, like '{app="shop"} |= "error"'`
  throw new GatewayError('parameter_invalid', text)
}

/** Throws parameter_invalid. */
export function readOutput(text: string): Output {
  const output = OUTPUTS.find((each) => each === text)
  if (output === undefined) throw new GatewayError('parameter_invalid', `--output must be one of ${OUTPUTS.join(', ')}`)
  return output
}

/** A whole number above zero. Throws parameter_invalid. */
export function readCount(name: string, text: string): number {
  const count = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= LIMIT_MAX) return count
  throw new GatewayError('parameter_invalid', `${name} must be a whole number from 1 to ${LIMIT_MAX}`)
}

function readDirection(text: string): 'forward' | 'backward' {
  if (text === 'forward' || text === 'backward') return text
  throw new GatewayError('parameter_invalid', '--direction must be forward or backward')
}

function stepFor(rangeNs: bigint): number {
  const wanted = Number(rangeNs / 1_000_000_000n) / ROWS_WANTED
  return STEPS_SECONDS.find((seconds) => seconds >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400
}
