/** `millrace backup` and `millrace restore`: the embedded home's data folder to another folder, and back. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import type { Command } from './commands.ts'

/** Copies and verifies; returns the contents of the copy. */
export type CopyFolder = (folder: string) => {
  readonly files: readonly string[]
  readonly blocks: number
  readonly entries: number
}

export function backupCommand(backUp: CopyFolder): Command {
  return {
    name: 'backup',
    summary: 'Copies the data folder of a running gateway to a new folder and verifies the copy.',
    usage: `millrace backup FOLDER

Copies the databases and keys of MILLRACE_DATA_DIR as of one moment. Every block of the copy is verified against its checksums before
the copy gets its final name. It contains keys: protect it like the original.`,
    run: (args, terminal) => copy(args, backUp, (text) => terminal.out(text)),
  }
}

export function restoreCommand(restore: CopyFolder): Command {
  return {
    name: 'restore',
    summary: 'Copies a backup to the data folder, which must be empty, and verifies it.',
    usage: `millrace restore FOLDER

Copies the backup in FOLDER to MILLRACE_DATA_DIR. Stop the gateway first.`,
    run: (args, terminal) => copy(args, restore, (text) => terminal.out(text)),
  }
}

async function copy(args: readonly string[], run: CopyFolder, print: (text: string) => void): Promise<number> {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} })
  const [folder] = positionals
  if (folder === undefined || positionals.length > 1) {
    throw new GatewayError('parameter_invalid', `got ${positionals.length} folders; give one`)
  }
  const { files, blocks, entries } = run(folder)
  print(`${files.join(', ')}: ${entries} entries in ${blocks} blocks, all verified\n`)
  return 0
}
