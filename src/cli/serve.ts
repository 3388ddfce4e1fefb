/** `millrace serve`: the gateway in this process. */

import { parseArgs } from 'node:util'
import type { Command } from './commands.ts'

/** `start` resolves to the exit code once the gateway listens, or to that of its failure. */
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
