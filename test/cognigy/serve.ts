/**
 * A simulated Cognigy for trying the poller: `node test/cognigy/serve.ts [--host 127.0.0.1] [--port 4599] [--rate 5]`.
 */

import { parseArgs } from 'node:util'
import { FakeCognigy } from './fake-server.ts'

const PROJECT = '507f1f77bcf86cd799439011'
const KEY = 'fake-key'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4599' },
    host: { type: 'string', default: '127.0.0.1' },
    /** Entries per second. */
    rate: { type: 'string', default: '2' },
    /** Entries of the last hours that exist at the start. */
    history: { type: 'string', default: '500' },
  },
})

const fake = new FakeCognigy({ nowMs: Date.now, key: KEY })
const history = Number(values.history)
for (let i = 0; i < history; i++) fake.add(PROJECT, { ms: Date.now() - (history - i) * 20_000, type: typeOf(i) })
const url = await fake.listen(Number(values.port), values.host)
let count = 0
setInterval(() => fake.add(PROJECT, { ms: Date.now(), type: typeOf(count++) }), 1000 / Number(values.rate))
process.stdout.write(`A fake Cognigy listens at ${url}. To poll it:

  MILLRACE_POLL_BASE_URL=${url} MILLRACE_POLL_PROJECTS=demo=${PROJECT} COGNIGY_API_KEY=${KEY} npm start
`)

function typeOf(i: number): string {
  return i % 17 === 0 ? 'error' : i % 5 === 0 ? 'warn' : 'info'
}
