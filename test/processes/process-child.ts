/** A process whose start and stop behave according to its first argument. */

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { GatewayError } from '../../src/domain/errors.ts'
import { runProcess } from '../../src/processes/process.ts'

const [way = '', folder = ''] = process.argv.slice(2)

await runProcess(
  {
    service: 'millrace',
    stopMs: way === 'hangs at its stop' ? 1 : 60_000,
    stopping: 'stopping: finishing first',
    start: async () => {
      if (way === 'is refused its start') throw new GatewayError('config_invalid', 'MILLRACE_X is missing; set it')
      if (way === 'fails at its start') throw new Error('a bug')
      const alive = setInterval(() => undefined, 1000)
      writeFileSync(`${folder}/file`, '')
      process.stdout.write('started\n')
      if (way === 'is stopped while it starts') await once(process, 'SIGTERM')
      if (way === 'throws later') setImmediate(() => Promise.reject(new Error('a late bug')))
      return {
        stop: async () => {
          if (way === 'fails at its stop') throw new Error('a bug of the stop')
          if (way === 'hangs at its stop') return new Promise(() => undefined)
          process.stdout.write('finished\n')
          clearInterval(alive)
        },
      }
    },
  },
  { MILLRACE_LOG_LEVEL: 'info' },
)
