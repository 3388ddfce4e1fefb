import Fastify, { type FastifyBaseLogger } from 'fastify'
import pino from 'pino'
import t from 'tap'
import { type ErrorCode, GatewayError } from '../../../src/domain/errors.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { registerErrors } from '../../../src/transport/http/errors.ts'

/** [the error, the number of log lines at info and above] */
const ROWS: [ErrorCode, number][] = [
  ['internal', 1],
  ['store_damaged', 1],
  ['issuer_unavailable', 1],
  ['overloaded', 0],
  ['query_timeout', 0],
  ['store_unavailable', 0],
  ['rate_limited', 0],
  ['query_malformed', 0],
]
for (const [code, lines] of ROWS) {
  t.test(`${code} is counted, and ${lines === 0 ? 'not logged' : 'logged'}`, async (t) => {
    const log: string[] = []
    const metrics = new Metrics()
    const logger: FastifyBaseLogger = pino({ level: 'warn' }, { write: (line: string) => void log.push(line) })
    const app = Fastify({ loggerInstance: logger })
    registerErrors(app, metrics)
    app.get('/', () => {
      throw new GatewayError(code, 'what went wrong')
    })
    await app.inject('/')
    t.equal(log.length, lines)
    t.match(await metrics.registry.metrics(), `millrace_errors_total{code="${code}"} 1`)
  })
}
