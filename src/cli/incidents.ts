/** `millrace incidents`: the incidents of the gateway's GET /incidents. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import { formatLabels } from '../domain/labels.ts'
import { parseRfc3339 } from '../domain/time.ts'
import { askJson, CLIENT_OPTIONS, CLIENT_USAGE, type GatewayAddress, type Parameters, readAddress } from './client.ts'
import { listOf, readLabels, recordOf } from './client-answer.ts'
import type { ClientSource } from './client-settings.ts'
import type { Command } from './commands.ts'
import { escapeControls, withoutControls } from './controls.ts'
import { readCount } from './query/query.ts'
import { formatLocal } from './query/query-output.ts'
import { readSince } from './query/query-time.ts'

const LIMIT_DEFAULT = 20
/** Incidents per page: the gateway's maximum. */
const PAGE_MAX = 100
const OUTPUTS = ['text', 'json']

export function incidentsCommand(nowMs: () => number): Command {
  return {
    name: 'incidents',
    summary: 'Lists incidents, most recent first.',
    usage: `millrace incidents [options]

  --state STATE       open, acknowledged, closed, or several separated by commas; default: all
  --since TIME        only incidents seen within this time, like 1h or 7d
  --limit COUNT       maximum number; default ${LIMIT_DEFAULT}
  --output FORM       text or json (one object per line)
${CLIENT_USAGE}

  millrace incidents --state open`,
    run: async (args, terminal) => {
      const { gateway, parameters, limit, output } = readOrder(args, nowMs(), terminal.client)
      let count = 0
      for await (const items of readIncidents(gateway, parameters, limit)) {
        for (const item of items)
          terminal.out(output === 'json' ? `${escapeControls(JSON.stringify(item))}\n` : formatIncident(item))
        count += items.length
      }
      if (count === 0) terminal.note('No matching incidents\n')
      return 0
    },
  }
}

interface IncidentsOrder {
  readonly gateway: GatewayAddress
  readonly parameters: { readonly state: string | undefined; readonly since: string | undefined }
  readonly limit: number
  readonly output: string
}

function readOrder(args: readonly string[], nowMs: number, source: ClientSource | undefined): IncidentsOrder {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...CLIENT_OPTIONS,
      state: { type: 'string' },
      since: { type: 'string' },
      limit: { type: 'string', default: String(LIMIT_DEFAULT) },
      output: { type: 'string', default: 'text' },
    },
  })
  if (!OUTPUTS.includes(values.output)) throw new GatewayError('parameter_invalid', '--output must be text or json')
  const since = values.since === undefined ? undefined : new Date(nowMs - readSince(values.since)).toISOString()
  return {
    gateway: readAddress(values, source),
    parameters: { state: values.state, since },
    limit: readCount('--limit', values.limit),
    output: values.output,
  }
}

async function* readIncidents(
  gateway: GatewayAddress,
  parameters: IncidentsOrder['parameters'],
  limit: number,
): AsyncGenerator<readonly unknown[]> {
  let left = limit
  let nextToken: string | undefined
  do {
    const page = await readPage(gateway, { ...parameters, limit: Math.min(left, PAGE_MAX), nextToken })
    const items = listOf(page['items'])
    yield items
    left -= items.length
    nextToken = typeof page['nextToken'] === 'string' ? page['nextToken'] : undefined
  } while (nextToken !== undefined && left > 0)
}

async function readPage(gateway: GatewayAddress, parameters: Parameters): Promise<ReturnType<typeof recordOf>> {
  try {
    return recordOf(await askJson(gateway, '/incidents', parameters))
  } catch (error) {
    if (!(error instanceof GatewayError && error.code === 'not_found')) throw error
    const text = `${gateway.url} has no incidents endpoint; it must be a Millrace with MILLRACE_INCIDENTS=true`
    throw new GatewayError('not_found', text, { cause: error })
  }
}

/** One line: last seen, state, severity, count, title and labels. */
function formatIncident(json: unknown): string {
  const { id, state, severity, count, title, labels, lastSeen } = recordOf(json)
  const ns = parseRfc3339(String(lastSeen))
  const cells = [
    ns === undefined ? String(lastSeen) : formatLocal(ns),
    String(state).padEnd('acknowledged'.length),
    String(severity).padEnd('critical'.length),
    `${count}×`.padStart(6),
    String(id),
    String(title).replace(/\s+/g, ' '),
    formatLabels(readLabels(labels)),
  ]
  return `${withoutControls(cells.join('  '))}\n`
}
