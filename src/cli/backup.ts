/** `millrace backup` and `millrace restore`: the embedded home's data folder to another folder, and back. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import type { Command } from './commands.ts'

/** Copies and checks; tells what the copy holds. */
export type CopyFolder = (folder: string) => {
  readonly files: readonly string[]
  readonly blocks: number
  readonly entries: number
}

export function backupCommand(backUp: CopyFolder): Command {
  return {
    name: 'backup',
    summary: 'Copies the data folder to a new folder, while the gateway runs, and checks the copy.',
    usage: `millrace backup FOLDER

Copies the databases and keys of MILLRACE_DATA_DIR as they are at one moment. The copy is checked, every block against its checksums, and
has its name only once it is whole. It holds keys: keep it as safe as the original.`,
    run: (args, terminal) => copy(args, backUp, (text) => terminal.out(text)),
  }
}

export function restoreCommand(restore: CopyFolder): Command {
  return {
    name: 'restore',
    summary: 'Copies a backup to the data folder, which must be empty, and checks it.',
    usage: `millrace restore FOLDER

Puts the backup in FOLDER where MILLRACE_DATA_DIR says. Stop the gateway first.`,
    run: (args, terminal) => copy(args, restore, (text) => terminal.out(text)),
  }
}

async function copy(args: readonly string[], run: CopyFolder, print: (text: string) => void): Promise<number> {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} })
  const [folder] = positionals
  if (folder === undefined || positionals.length > 1) {
    throw new GatewayError('parameter_invalid', `${positionals.length} folders came; name one`)
  }
  const { files, blocks, entries } = run(folder)
  print(`${files.join(', ')}: ${entries} entries in ${blocks} blocks, all of them checked\n`)
  return 0
}
