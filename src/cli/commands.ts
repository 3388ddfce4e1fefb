/** The table of commands: finds the one that is meant, runs it, and explains them all. */

import { GatewayError } from '../domain/errors.ts'
import { nearestName } from '../kit/nearest-name.ts'

/** Where a command reads and writes; a test hands in its own. */
export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array>
  /** Whether a person types at stdin. */
  readonly isInteractive: boolean
  /** Results. */
  out(text: string): void
  /** Everything else. */
  note(text: string): void
}

export interface Command {
  readonly name: string
  /** One line for the list. */
  readonly summary: string
  /** The whole help: how it is called, its options, an example. */
  readonly usage: string
  /** `args` are what follows the name. Resolves to the exit code; parameter_invalid means wrong usage. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

/** Runs what `argv` (without node and script) asks for. Resolves to the exit code: 0, 1 failed, 2 wrong usage. */
export async function runCli(
  argv: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
): Promise<number> {
  const [name = 'help', ...args] = argv
  if (['help', '--help', '-h'].includes(name)) return help(args, commands, terminal)
  const command = findCommand(name, commands, terminal)
  if (command === undefined) return EXIT_USAGE
  if (args.includes('--help') || args.includes('-h')) return help([name], commands, terminal)
  try {
    return await command.run(args, terminal)
  } catch (error) {
    return explain(error, command, terminal)
  }
}

function help([name]: readonly string[], commands: readonly Command[], terminal: Terminal): number {
  if (name === undefined) {
    terminal.out(listCommands(commands))
    return 0
  }
  const command = findCommand(name, commands, terminal)
  if (command === undefined) return EXIT_USAGE
  terminal.out(`${command.summary}\n\nUsage: ${command.usage}\n`)
  return 0
}

function listCommands(commands: readonly Command[]): string {
  const rows = [...commands, { name: 'help [command]', summary: 'Tells how a command is used.' }]
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: millrace <command> [options]\n\n${lines.join('\n')}\n\nSettings are environment variables, MILLRACE_*: see the README.\n`
}

function findCommand(name: string, commands: readonly Command[], terminal: Terminal): Command | undefined {
  const found = commands.find((command) => command.name === name)
  if (found !== undefined) return found
  const names = [...commands.map((command) => command.name), 'help']
  const nearest = nearestName(name, names)
  const advice = nearest === undefined ? '' : `; did you mean "${nearest}"?`
  terminal.note(`millrace: there is no command ${JSON.stringify(name)}${advice}\n\n${listCommands(commands)}`)
  return undefined
}

function explain(error: unknown, command: Command, terminal: Terminal): number {
  // parseArgs of node:util names what is wrong with the options in its messages.
  const isUsage =
    error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
  if (isUsage || (error instanceof GatewayError && error.code === 'parameter_invalid')) {
    terminal.note(`millrace ${command.name}: ${error.message}\n\nUsage: ${command.usage}\n`)
    return EXIT_USAGE
  }
  if (!(error instanceof GatewayError)) throw error
  terminal.note(`millrace ${command.name}: ${error.message}\n`)
  return EXIT_FAILED
}
