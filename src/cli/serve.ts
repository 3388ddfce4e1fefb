/** `millrace serve`: the gateway in this process. */

import { parseArgs } from 'node:util'
import type { Command } from './commands.ts'

/** `start` resolves to 0 once the gateway listens, or to the exit code of a failure. */
export function serveCommand(start: () => Promise<number>): Command {
  return {
    name: 'serve',
    summary: 'Starts the gateway.',
    usage: 'millrace serve',
    run: async (args) => {
      parseArgs({ args: [...args], options: {} })
      return start()
    },
  }
}
