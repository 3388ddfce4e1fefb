/** `millrace series`, `stats`, `volume` and `patterns`: what there is, before a query is written. */

import { formatLabels } from '../../domain/labels.ts'
import { askJson, CLIENT_USAGE } from '../client.ts'
import { listOf, readLabels, recordOf } from '../client-answer.ts'
import type { Command, Terminal } from '../commands.ts'
import { escapeControls, withoutControls } from '../controls.ts'
import { TIME_USAGE } from '../query/query-time.ts'
import { formatBytes, type RangeOrder, readRangeOrder } from './ask-range.ts'

const ALL = '{service_name=~".+"}'
const NOTHING = 'Nothing in this time range; try --since 7d\n'

const USAGE = `${TIME_USAGE}
  --limit COUNT       maximum number of rows; default 100
  --output FORM, -o   text or json (one object per line)
${CLIENT_USAGE}`

/** One row: its text, and what json prints. */
interface Row {
  readonly text: string
  readonly json: unknown
}

interface Plan {
  readonly name: string
  readonly summary: string
  readonly about: string
  /** The selector if none is given. */
  readonly initial?: string
  rows(order: RangeOrder): Promise<readonly Row[]>
}

const PLANS: readonly Plan[] = [
  {
    name: 'series',
    summary: 'Lists streams: the label sets of a selector.',
    about: '',
    rows: async ({ gateway, selector, start, end }) => {
      const answer = await askJson(gateway, '/loki/api/v1/series', { 'match[]': selector, start, end })
      return listOf(recordOf(answer)['data'] ?? []).map((json) => ({ text: formatLabels(readLabels(json)), json }))
    },
  },
  {
    name: 'stats',
    summary: 'Counts streams, lines and bytes of a selector.',
    about: '',
    rows: async ({ gateway, selector, start, end }) => {
      const json = recordOf(await askJson(gateway, '/loki/api/v1/index/stats', { query: selector, start, end }))
      const [streams, entries, bytes] = ['streams', 'entries', 'bytes'].map((name) => Number(json[name] ?? 0))
      return [{ text: `${streams} streams, ${entries} lines, ${formatBytes(bytes ?? 0)}`, json }]
    },
  },
  {
    name: 'volume',
    summary: 'Lists how much text each service has, the most first.',
    about: 'Other labels: name them in the selector, like {namespace=~".+"}.\n\n',
    initial: ALL,
    rows: async ({ gateway, selector, start, end, limit }) => {
      const answer = await askJson(gateway, '/loki/api/v1/index/volume', { query: selector, start, end, limit })
      return listOf(recordOf(recordOf(answer)['data'])['result']).map((json) => {
        const { metric, value } = recordOf(json)
        const bytes = formatBytes(Number(listOf(value)[1]))
        return { text: `${bytes.padStart(10)}  ${formatLabels(readLabels(metric))}`, json }
      })
    },
  },
  {
    name: 'patterns',
    summary: 'Lists patterns of lines with their counts, the rarest last.',
    about: 'Gateways look at a part of the newest lines; <_> stands for what differs.\n\n',
    rows: async ({ gateway, selector, start, end }) => {
      const answer = await askJson(gateway, '/loki/api/v1/patterns', { query: selector, start, end })
      const counts = new Map<string, number>()
      for (const json of listOf(recordOf(answer)['data'] ?? [])) {
        const { pattern, samples } = recordOf(json)
        const count = listOf(samples).reduce((sum: number, sample) => sum + Number(listOf(sample)[1]), 0)
        counts.set(String(pattern), (counts.get(String(pattern)) ?? 0) + count)
      }
      return [...counts]
        .sort(([, a], [, b]) => b - a)
        .map(([pattern, count]) => ({ text: `${String(count).padStart(9)}  ${pattern}`, json: { pattern, count } }))
    },
  },
]

/** The command of this name. */
export function exploreCommand(name: 'series' | 'stats' | 'volume' | 'patterns', nowMs: () => number): Command {
  const plan = PLANS.find((each) => each.name === name) as Plan
  const argument = plan.initial === undefined ? 'SELECTOR' : '[SELECTOR]'
  return {
    name,
    summary: plan.summary,
    usage: `millrace ${name} ${argument} [options]\n\n${plan.about}${USAGE}\n\n  millrace ${name} '{app="shop"}' --since 1d`,
    run: async (args, terminal) => {
      const order = readRangeOrder(args, terminal, nowMs(), plan.initial)
      print(await plan.rows(order), order, terminal)
      return 0
    },
  }
}

function print(rows: readonly Row[], { limit, isJson }: RangeOrder, terminal: Terminal): void {
  for (const { text, json } of rows.slice(0, limit)) {
    terminal.out(`${isJson ? escapeControls(JSON.stringify(json)) : withoutControls(text)}\n`)
  }
  if (rows.length === 0) terminal.note(NOTHING)
  else if (rows.length > limit) terminal.note(`${rows.length - limit} more; raise --limit\n`)
}
