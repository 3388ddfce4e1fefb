/** `millrace export`: what the embedded home stores, as Parquet files. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import { NS_MAX, NS_MIN } from '../domain/time.ts'
import type { Command } from './commands.ts'
import { readTime } from './query/query-time.ts'

/** What to export: entries in [start, end), ns. */
export interface ExportOptions {
  readonly folder: string
  readonly start: bigint
  readonly end: bigint
  readonly query: string | undefined
  readonly tenant: string | undefined
}

export type RunExport = (
  options: ExportOptions,
) => Promise<{ readonly files: number; readonly entries: number; readonly bytes: number }>

export function exportCommand(run: RunExport, nowMs: () => number): Command {
  return {
    name: 'export',
    summary: 'Exports logs of the data folder as Parquet files.',
    usage: `millrace export [options] FOLDER

  --from TIME         start of the time range (inclusive), and
  --to TIME           its end (exclusive): 2026-11-21T10:00:00Z, "2026-11-21 10:00" in local time, seconds
                      or nanoseconds since 1970, or 15m for 15 minutes ago; default: everything
  --query QUERY       a selector, with line filters if you like: '{app="shop"} |= "error"'
  --tenant TENANT     only this tenant; default: all

  Reads MILLRACE_DATA_DIR as of one moment, while the gateway may run, and writes FOLDER/dt=YYYY-MM-DD/tb=0/*.parquet.
  FOLDER must not exist; it has its name only when it is complete.

  millrace export --from 7d november && duckdb -c "SELECT count(*) FROM 'november/*/*/*.parquet'"`,
    run: async (args, terminal) => {
      const { files, entries, bytes } = await run(readOptions(args, nowMs()))
      const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`
      terminal.out(`${entries.toLocaleString('en')} entries in ${files} ${files === 1 ? 'file' : 'files'}, ${size}\n`)
      return 0
    },
  }
}

function readOptions(args: readonly string[], nowMs: number): ExportOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      from: { type: 'string' },
      to: { type: 'string' },
      query: { type: 'string' },
      tenant: { type: 'string' },
    },
  })
  const [folder] = positionals
  if (folder === undefined || positionals.length > 1) {
    throw new GatewayError('parameter_invalid', `got ${positionals.length} folders; give one`)
  }
  const start = values.from === undefined ? NS_MIN : readTime('--from', values.from, nowMs)
  const end = values.to === undefined ? NS_MAX : readTime('--to', values.to, nowMs)
  if (start >= end) throw new GatewayError('parameter_invalid', '--from must be before --to; swap them')
  return { folder, start, end, query: values.query, tenant: values.tenant }
}
