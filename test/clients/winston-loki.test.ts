import t, { type Test } from 'tap'
import winston from 'winston'
import LokiTransport from 'winston-loki'
import { Happening, inOneMillisecond, RestartableGateway, sortedLines } from './restarts.ts'

const FORMS = [
  ['protobuf', false],
  ['JSON', true],
] as const

/**
 * The client waits 60 s after a failed push, and has no event for the start of a push, so the test uses its internals.
 */
interface Batcher {
  circuitBreakerInterval: number
  readonly batch: { readonly streams: readonly unknown[] }
  sendBatchToLoki(...args: unknown[]): Promise<unknown>
}

for (const [form, json] of FORMS) {
  t.test(`winston-loki in ${form}: every line is stored, in order within a millisecond`, async (t) => {
    const gateway = await RestartableGateway.start(t)
    const { logger, transport } = openLogger(t, gateway.url, json)
    const sent = numbered('line', 500)
    inOneMillisecond(t, () => {
      for (const line of sent) logger.info(line)
    })
    logger.error('one of another level')
    await transport.flush()

    const entries = await gateway.read('{app="winston"}')
    const infos = entries.filter(({ stream }) => stream['level'] === 'info')
    t.strictSame(
      infos.map(({ line }) => line),
      sent,
      'the order of the calls',
    )
    t.equal(new Set(infos.map(({ ns }) => ns)).size, 1, 'all lines share their millisecond')
    const expected = { app: 'winston', env: 'test', level: 'error', service_name: 'winston' }
    const errors = entries.filter(({ stream }) => stream['level'] === 'error')
    t.strictSame(
      errors.map(({ line, stream }) => [line, stream]),
      [['one of another level', expected]],
    )
  })

  t.test(`winston-loki in ${form}: nothing is lost or duplicated across three kill -9`, async (t) => {
    const gateway = await RestartableGateway.start(t)
    const { logger, transport, failures, begun } = openLogger(t, gateway.url, json)
    const sent: string[] = []
    const write = async (name: string): Promise<void> => {
      for (let group = 0; group < 10; group++) {
        const push = begun.next()
        for (const line of numbered(`${name} group ${group} line`, 20)) {
          sent.push(line)
          logger.info(line)
        }
        await push
      }
    }
    for (let round = 0; round < 3; round++) {
      await write(`up ${round}`)
      const writing = write(`dying ${round}`)
      await gateway.kill()
      await writing
      await write(`dead ${round}`)
      await gateway.restart()
    }
    await write('up at last')
    await transport.close()

    const entries = await gateway.read('{app="winston"}')
    t.strictSame(sortedLines(entries), sent.toSorted())
    t.strictSame(
      entries.map(({ line }) => line),
      sent,
      'in the order of the calls, because retries go first',
    )
    t.ok(failures.length > 0, `${failures.length} pushes found the gateway dead`)
  })
}

t.test('winston-loki in JSON: metadata of a call is structured metadata', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const { logger, transport } = openLogger(t, gateway.url, true)
  logger.warn('with metadata', { requestId: 'r-1', attempt: 3, labels: { region: 'eu' } })
  await transport.flush()
  const [entry] = await gateway.read('{app="winston"}')
  t.match(entry, { line: 'with metadata', stream: { level: 'warn', region: 'eu' } })
  t.match(entry?.metadata, { requestId: 'r-1', attempt: '3', detected_level: 'warn' })
})

t.test('winston-loki in protobuf: the client itself omits structured metadata', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const { logger, transport } = openLogger(t, gateway.url, false)
  logger.warn('with metadata', { requestId: 'r-1', labels: { region: 'eu' } })
  await transport.flush()
  const [entry] = await gateway.read('{app="winston"}')
  t.match(entry, { line: 'with metadata', stream: { level: 'warn', region: 'eu' } })
  t.strictSame(entry?.metadata, { detected_level: 'warn' })
})

function openLogger(t: Test, host: string, json: boolean) {
  const failures: unknown[] = []
  const transport = new LokiTransport({
    host,
    json,
    interval: 0.01,
    labels: { app: 'winston', env: 'test' },
    format: winston.format.printf(({ message }) => String(message)),
    gracefulShutdown: false,
    onConnectionError: (error) => failures.push(error),
  })
  const { batcher } = transport as unknown as { batcher: Batcher }
  batcher.circuitBreakerInterval = 20
  const begun = new Happening()
  const send = batcher.sendBatchToLoki.bind(batcher)
  batcher.sendBatchToLoki = (...args) => {
    if (batcher.batch.streams.length > 0) begun.happen()
    return send(...args)
  }
  const logger = winston.createLogger({ level: 'debug', transports: [transport] })
  t.teardown(() => transport.close())
  return { logger, transport, failures, begun }
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name} ${i}`)
}
