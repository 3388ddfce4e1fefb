/** `millrace context`: the lines around a time, in order, with that time's line marked. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../../domain/errors.ts'
import { CLIENT_OPTIONS, CLIENT_USAGE, readAddress } from '../client.ts'
import type { ShownEntry } from '../client-answer.ts'
import type { Command } from '../commands.ts'
import { readCount, readQuery } from '../query/query.ts'
import { formatEntry } from '../query/query-output.ts'
import { type PagedQuery, readPages } from '../query/query-pages.ts'
import { readSince, readTime } from '../query/query-time.ts'

const LINES_DEFAULT = '10'
const WITHIN_DEFAULT = '1h'

export function contextCommand(nowMs: () => number, hasColors: boolean): Command {
  return {
    name: 'context',
    summary: 'Shows the lines around a time, such as that of an error.',
    usage: `millrace context QUERY --at TIME [options]

  --at TIME           the time of the line: as -o json prints it (nanoseconds), RFC 3339, or 15m for 15 minutes ago
  --lines COUNT       lines before it and lines from it on, each; default ${LINES_DEFAULT}
  --within TIME       how far to look in each direction; default ${WITHIN_DEFAULT}
  --output FORM, -o   text, json (one object per line) or raw (only the lines)
${CLIENT_USAGE}

  millrace context '{app="shop"}' --at 1764460800000000000`,
    run: async (args, terminal) => {
      const { values, positionals } = parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          ...CLIENT_OPTIONS,
          at: { type: 'string' },
          lines: { type: 'string', default: LINES_DEFAULT },
          within: { type: 'string', default: WITHIN_DEFAULT },
          output: { type: 'string', short: 'o', default: 'text' },
        },
      })
      const output = (['text', 'json', 'raw'] as const).find((each) => each === values.output)
      if (output === undefined) throw new GatewayError('parameter_invalid', '--output must be text, json or raw')
      if (values.at === undefined) throw new GatewayError('parameter_invalid', '--at is missing; give a time')
      const gateway = readAddress(values, terminal.client)
      const query = readQuery(positionals)
      const at = readTime('--at', values.at, nowMs())
      const limit = readCount('--lines', values.lines)
      const withinNs = BigInt(readSince(values.within)) * 1_000_000n
      const read = async (part: Omit<PagedQuery, 'query' | 'limit'>): Promise<ShownEntry[]> => {
        const found: ShownEntry[] = []
        for await (const page of readPages(gateway, { query, limit, ...part })) {
          if (page.kind !== 'lines') throw new GatewayError('query_refused', 'context needs a log query')
          found.push(...page.entries)
        }
        return found
      }
      const before = await read({ start: at - withinNs, end: at, direction: 'backward' })
      const after = await read({ start: at, end: at + withinNs, direction: 'forward' })
      for (const entry of [...before.reverse(), ...after]) {
        const mark = output !== 'text' ? '' : entry.ns === at ? '> ' : '  '
        terminal.out(`${mark}${formatEntry(entry, output, hasColors)}`)
      }
      if (before.length + after.length === 0) terminal.note('No lines around that time; try --within 7d\n')
      return 0
    },
  }
}
