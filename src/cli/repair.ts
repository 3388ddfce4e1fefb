/** `millrace repair`: finds what is damaged in a stopped data folder, sets it aside and says what is lost. */

import { parseArgs } from 'node:util'
import type { Loss } from '../domain/entries/loss.ts'
import { GatewayError } from '../domain/errors.ts'
import { formatRfc3339 } from '../domain/time.ts'
import { type Command, EXIT_FAILED, type Terminal } from './commands.ts'

/** What a repair found; see adapters/embedded/repair. */
export interface Findings {
  readonly blocks: number
  readonly entries: number
  readonly losses: readonly Loss[]
  readonly rows: readonly { readonly file: string; readonly table: string; readonly rows: number }[]
  readonly unreadable: readonly string[]
  readonly rebuilt: readonly string[]
  readonly aside: readonly string[]
}

/** Repairs `folder`, the data folder if undefined; with `isCheck` it only looks. */
export type RepairFolder = (folder: string | undefined, isCheck: boolean) => Findings

export function repairCommand(repair: RepairFolder): Command {
  return {
    name: 'repair',
    summary: 'Finds damage in the data folder of a stopped gateway, sets it aside, and says what is lost.',
    usage: `millrace repair [FOLDER] [--check]

Reads every row of the databases in FOLDER (default: MILLRACE_DATA_DIR) and verifies every block against its checksums. Damaged rows, or a
whole file that had to be rebuilt, are kept beside the database in files named *.damaged-TIME*; everything else stays in use.
Stop the gateway first. Rebuilding a file needs as much free space as the file has.

  --check   Only reports; exit code 1 means that something is damaged.`,
    run: async (args, terminal) => {
      const { values, positionals } = parseArgs({
        args: [...args],
        allowPositionals: true,
        options: { check: { type: 'boolean', default: false } },
      })
      if (positionals.length > 1) {
        throw new GatewayError('parameter_invalid', `got ${positionals.length} folders; give one, or none`)
      }
      const findings = repair(positionals[0], values.check)
      show(findings, terminal)
      return values.check && !isWhole(findings) ? EXIT_FAILED : 0
    },
  }
}

function isWhole({ losses, rows, unreadable, rebuilt }: Findings): boolean {
  return losses.length + rows.length + unreadable.length + rebuilt.length === 0
}

function show(findings: Findings, terminal: Terminal): void {
  const { blocks, entries, losses, rows, unreadable, rebuilt, aside } = findings
  const lines = [
    `${counted(entries, 'entry', 'entries')} in ${counted(blocks, 'block')} verified`,
    ...rebuilt.map((file) => `${file} is inconsistent: what can be read of it is kept`),
    ...unreadable.map((file) => `${file} cannot be read at all: a new one takes its place`),
    ...losses.map(lossOf),
    ...rows.map(({ file, table, rows }) => `damaged in ${file}: ${counted(rows, 'row')} of the table ${table}`),
    ...(isWhole(findings) ? ['nothing is damaged'] : []),
    ...aside.map((file) => `set aside: ${file}`),
  ]
  terminal.out(`${lines.join('\n')}\n`)
}

function lossOf({ tenant, blocks, entries, blocksUncounted, streams, oldest, newest }: Loss): string {
  if (tenant === undefined) return `damaged: at most ${counted(blocks, 'block')} of which nothing is known`
  const range = oldest === undefined || newest === undefined ? '' : `, from ${shown(oldest)} to ${shown(newest)}`
  const some = entries > 0 || blocksUncounted === 0
  const known = some ? `, ${counted(entries, 'entry', 'entries')} of ${counted(streams, 'stream')}` : ''
  const rest = blocksUncounted > 0 ? `, ${counted(blocksUncounted, 'block')} with an unknown number of entries` : ''
  return `damaged of tenant ${JSON.stringify(tenant)}: ${counted(blocks, 'block')}${known}${rest}${range}`
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** A damaged row may have a time that no calendar has. */
function shown(ns: bigint): string {
  try {
    return formatRfc3339(ns)
  } catch {
    return `${ns} ns`
  }
}
