/** `millrace completion`: scripts by which a shell completes commands, options and files. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import { type Command, optionsOf } from './commands.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** `load` loads every other command. */
export function completionCommand(load: () => Promise<readonly Command[]>): Command {
  return {
    name: 'completion',
    summary: 'Prints a completion script for bash, zsh or fish.',
    usage: `millrace completion bash|zsh|fish

  bash: echo 'source <(millrace completion bash)' >> ~/.bashrc
  zsh:  millrace completion zsh > "\${fpath[1]}/_millrace"
  fish: millrace completion fish > ~/.config/fish/completions/millrace.fish`,
    run: async (args, terminal) => {
      const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} })
      const shell = SHELLS.find((each) => each === positionals[0])
      if (shell === undefined || positionals.length !== 1) {
        throw new GatewayError('parameter_invalid', `name one shell: ${SHELLS.join(', ')}`)
      }
      terminal.out(FORMATS[shell](await load()))
      return 0
    },
  }
}

const FORMATS: Readonly<Record<(typeof SHELLS)[number], (commands: readonly Command[]) => string>> = {
  bash: (commands) => `_millrace() {
  local current="\${COMP_WORDS[COMP_CWORD]}" options=""
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "${namesOf(commands)}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${commands.map((command) => `    ${command.name}) options="${flagsOf(command)}" ;;`).join('\n')}
    help) options="${namesOf(commands)}" ;;
  esac
  COMPREPLY=($(compgen -W "$options" -- "$current"))
}
complete -o default -F _millrace millrace
`,
  zsh: (commands) => `#compdef millrace
_millrace() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands.map(({ name, summary }) => `      ${quote(`${name}:${summary}`)}`).join('\n')}
      'help:Shows how to use a command.'
    )
    _describe command commands
    return
  fi
  case "$words[2]" in
${commands.map((command) => `    ${command.name}) compadd -- ${flagsOf(command)} ;;`).join('\n')}
  esac
  _files
}
compdef _millrace millrace
`,
  fish: (commands) =>
    commands
      .flatMap((command) => [
        `complete -c millrace -n __fish_use_subcommand -f -a ${command.name} -d ${quote(command.summary)}`,
        ...optionsOf(command).map(
          (option) => `complete -c millrace -n '__fish_seen_subcommand_from ${command.name}' -l ${option}`,
        ),
      ])
      .map((line) => `${line}\n`)
      .join(''),
}

function namesOf(commands: readonly Command[]): string {
  return [...commands.map(({ name }) => name), 'help', 'version'].join(' ')
}

function flagsOf(command: Command): string {
  return [...optionsOf(command).map((name) => `--${name}`), '--help'].join(' ')
}

/** In single quotes, as all three shells read them. */
function quote(text: string): string {
  return `'${text.replaceAll("'", '’')}'`
}
