/** `millrace emit`: lines to test alerting with, some of them errors. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import { CLIENT_OPTIONS, CLIENT_USAGE } from './client.ts'
import type { Command } from './commands.ts'

const ERRORS_MAX = 10_000
/** Probability of an error if no number is given. */
const ERROR_CHANCE = 0.4
const LABEL_DEFAULT = 'app=test-log-emitter'

/**
 * One line without an error, then `errorCount` errors; if 0, at random one or none. `random` returns numbers from 0 to 1.
 * Throws parameter_invalid.
 */
export function emissionLines(errorCount: number, random: () => number): string[] {
  if (!Number.isInteger(errorCount) || errorCount < 0 || errorCount > ERRORS_MAX) {
    throw new GatewayError('parameter_invalid', `the number of errors must be a whole number from 0 to ${ERRORS_MAX}`)
  }
  const lines = ['INFO Health check OK - TestLogEmitter running']
  for (let i = 1; i <= errorCount; i++) lines.push(`ERROR Simulated failure ${i}: TimeoutError connecting to database`)
  if (errorCount === 0 && random() < ERROR_CHANCE) lines.push('ERROR Simulated failure: ConnectionRefusedError')
  return lines
}

/** `push` sends the lines. */
export function emitCommand(push: Command, random: () => number): Command {
  return {
    name: 'emit',
    summary: 'Pushes or prints test lines, some of them errors, to test alerting.',
    usage: `millrace emit [--errors N] [--print] [options of push]

  --errors N          number of errors; default: one or none, at random
  --print             print the lines to stdout instead of pushing them
  --label NAME=VALUE  a label of the stream; ${LABEL_DEFAULT}
${CLIENT_USAGE}

  millrace emit --errors 3`,
    run: async (args, terminal) => {
      const { values } = parseArgs({
        args: [...args],
        options: {
          errors: { type: 'string', default: '0' },
          print: { type: 'boolean', default: false },
          label: { type: 'string', multiple: true, default: [LABEL_DEFAULT] },
          ...CLIENT_OPTIONS,
        },
      })
      const lines = emissionLines(/^\d{1,6}$/.test(values.errors) ? Number(values.errors) : Number.NaN, random)
      if (values.print) {
        for (const line of lines) terminal.out(`${line}\n`)
        return 0
      }
      const names = Object.keys(CLIENT_OPTIONS) as (keyof typeof CLIENT_OPTIONS)[]
      const options = names.flatMap((name) => {
        const value = values[name]
        return value === undefined ? [] : [`--${name}=${value}`]
      })
      const labels = values.label.map((label) => `--label=${label}`)
      return push.run([...labels, ...options, ...lines.map((line) => `--line=${line}`)], terminal)
    },
  }
}
