/** Finds and runs a command, and prints help. */

import { GatewayError } from '../domain/errors.ts'
import { nearestName } from '../kit/nearest-name.ts'
import type { ClientSource } from './client-settings.ts'
import { withoutControls } from './controls.ts'

/** The input and output of a command; tests pass their own. */
export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array>
  /** Whether stdin is a terminal. */
  readonly isInteractive: boolean
  /** Whether notes go to a terminal, where a line may be written over. */
  readonly showsProgress?: boolean
  /** Results. */
  out(text: string): void
  /** Everything else. */
  note(text: string): void
  /** The environment and files that name a gateway; without it, only flags do. */
  readonly client?: ClientSource
}

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** The full help: usage, options, an example. */
  readonly usage: string
  /** `args` follow the command name. Resolves to the exit code; parameter_invalid means wrong usage. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** A command that is loaded when it is used, so that none waits for the modules of the others. */
export interface ListedCommand {
  readonly name: string
  /** That of the command. */
  readonly summary: string
  load(): Promise<Command>
}

export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

/** Runs `argv`, without node and script. Resolves to the exit code: 0, 1 for failure, 2 for wrong usage. */
export async function runCli(
  argv: readonly string[],
  commands: readonly (Command | ListedCommand)[],
  terminal: Terminal,
  version = 'unknown',
): Promise<number> {
  const [name = 'help', ...args] = argv
  if (['help', '--help', '-h'].includes(name)) return help(args, commands, terminal)
  if (['version', '--version', '-V'].includes(name)) {
    terminal.out(`millrace ${version}, Node ${process.versions.node}\n`)
    return 0
  }
  const command = await findCommand(name, commands, terminal)
  if (command === undefined) return EXIT_USAGE
  if (args.includes('--help') || args.includes('-h')) return help([name], commands, terminal)
  try {
    return await command.run(args, terminal)
  } catch (error) {
    return explain(error, command, terminal)
  }
}

/** The options that the help of a command names, without dashes. */
export function optionsOf({ usage }: Command): readonly string[] {
  return [...new Set([...usage.matchAll(/--([a-z][a-z-]*)/g)].map(([, name = '']) => name))]
}

async function help(
  [name]: readonly string[],
  commands: readonly (Command | ListedCommand)[],
  terminal: Terminal,
): Promise<number> {
  if (name === undefined) {
    terminal.out(listCommands(commands))
    return 0
  }
  const command = await findCommand(name, commands, terminal)
  if (command === undefined) return EXIT_USAGE
  terminal.out(`${command.summary}\n\nUsage: ${command.usage}\n`)
  return 0
}

function listCommands(commands: readonly (Command | ListedCommand)[]): string {
  const others = [
    { name: 'help [command]', summary: 'Shows how to use a command.' },
    { name: 'version', summary: 'Shows the version; --version does too.' },
  ]
  const rows = [...commands, ...others]
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: millrace <command> [options]\n\n${lines.join('\n')}\n\nSettings of the gateway are environment variables named MILLRACE_*: see docs/settings.md.\n`
}

async function findCommand(
  name: string,
  commands: readonly (Command | ListedCommand)[],
  terminal: Terminal,
): Promise<Command | undefined> {
  const command = commands.find((each) => each.name === name)
  if (command !== undefined) return 'load' in command ? command.load() : command
  const names = [...commands.map((command) => command.name), 'help', 'version']
  const nearest = nearestName(name, names)
  const advice = nearest === undefined ? '' : `; did you mean "${nearest}"?`
  terminal.note(`millrace: unknown command ${JSON.stringify(name)}${advice}\n\n${listCommands(commands)}`)
  return undefined
}

function explain(error: unknown, command: Command, terminal: Terminal): number {
  // The messages of node:util's parseArgs explain wrong options.
  const isUsage =
    error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
  if (isUsage || (error instanceof GatewayError && error.code === 'parameter_invalid')) {
    terminal.note(
      `millrace ${command.name}: ${shown(error)}${nearestOption(error, command)}\n\nUsage: ${command.usage}\n`,
    )
    return EXIT_USAGE
  }
  if (!(error instanceof GatewayError)) throw error
  terminal.note(`millrace ${command.name}: ${shown(error)}\n`)
  return EXIT_FAILED
}

/** "Did you mean" for an unknown option. */
function nearestOption({ message }: Error, command: Command): string {
  const [, unknown] = /^Unknown option '--([^'=]+)/.exec(message) ?? []
  const nearest = unknown === undefined ? undefined : nearestName(unknown, optionsOf(command))
  return nearest === undefined ? '' : `. Did you mean --${nearest}?`
}

/** A message may repeat what a gateway answered. */
function shown({ message }: Error): string {
  return message.split('\n').map(withoutControls).join('\n')
}
