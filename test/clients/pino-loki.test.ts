import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { pino } from 'pino'
import { type LokiOptions, pinoLoki } from 'pino-loki'
import t, { type Test } from 'tap'
import { Happening, inOneMillisecond, RestartableGateway, sortedLines } from './restarts.ts'

t.test('pino-loki: every line is stored, in order within a millisecond', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const { logger, close } = openLogger(gateway.url)
  const sent = Array.from({ length: 500 }, (_, i) => `line ${i}`)
  inOneMillisecond(t, () => {
    for (const line of sent) logger.info(line)
  })
  logger.error({ meta: { requestId: 'r-1', attempt: 3 } }, 'with metadata')
  await close()

  const entries = await gateway.read('{app="pino"}')
  const infos = entries.filter(({ stream }) => stream['level'] === 'info')
  t.strictSame(
    infos.map(({ line }) => line),
    sent,
    'the order of the calls',
  )
  t.equal(new Set(infos.map(({ ns }) => ns)).size, 1, 'all lines share their millisecond')
  const error = entries.find(({ stream }) => stream['level'] === 'error')
  t.match(error, { line: 'with metadata', stream: { app: 'pino', service_name: 'pino' } })
  t.match(error?.metadata, { requestId: 'r-1', attempt: '3', detected_level: 'error' })
})

t.test('pino-loki: numeric labels become text', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const { logger, close } = openLogger(gateway.url, { propsToLabels: ['shard'] })
  logger.info({ shard: 7 }, 'of a shard')
  await close()
  t.match(await gateway.read('{shard="7"}'), [{ line: 'of a shard' }])
})

t.test(
  'pino-loki does not retry: across kill -9 it loses unacknowledged lines, and no acknowledged ones',
  async (t) => {
    const gateway = await RestartableGateway.start(t)
    const { sent, answered } = await writeAcrossKills(t, gateway, fetch)
    const found = sortedLines(await gateway.read('{app="pino"}'))
    t.equal(new Set(found).size, found.length, 'nothing is doubled')
    t.strictSame(
      answered.filter((line) => !found.includes(line)),
      [],
      'every acknowledged line is stored',
    )
    t.strictSame(
      found.filter((line) => !sent.includes(line)),
      [],
      'nothing else is there',
    )
    t.ok(found.length < sent.length, `the client lost ${sent.length - found.length} of ${sent.length} lines`)
  },
)

t.test('pino-loki with a fetch that retries: nothing is lost or duplicated across kill -9', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const { sent } = await writeAcrossKills(t, gateway, (...args) => fetchAgain(gateway, ...args))
  t.strictSame(sortedLines(await gateway.read('{app="pino"}')), sent.toSorted())
})

/** Logs while the gateway is killed and restarted, twice, during pushes, through the configured fetch. */
async function writeAcrossKills(t: Test, gateway: RestartableGateway, send: typeof fetch) {
  const answered: string[] = []
  const pushes: Promise<unknown>[] = []
  const begun = new Happening()
  const intercepted = t.intercept(globalThis, 'fetch', {
    value: (...args: Parameters<typeof fetch>): Promise<Response> => {
      const push = send(...args)
      begun.happen()
      const noteAnswer = ({ ok }: Response): void => {
        if (ok) answered.push(...linesOf(String(args[1]?.body)))
      }
      // The client handles a failed push.
      pushes.push(push.then(noteAnswer, () => undefined))
      return push
    },
  })
  const { logger, close } = openLogger(gateway.url)
  const sent: string[] = []
  const write = async (name: string): Promise<void> => {
    for (let group = 0; group < 20; group++) {
      const push = begun.next()
      for (let i = 0; i < 10; i++) {
        sent.push(`${name} group ${group} line ${i}`)
        logger.info(sent.at(-1))
      }
      await push
    }
  }
  for (let round = 0; round < 2; round++) {
    await write(`up ${round}`)
    const writing = write(`dying ${round}`)
    await gateway.kill()
    await writing
    await write(`dead ${round}`)
    await gateway.restart()
  }
  await write('up at last')
  await close()
  // The client only waits for its last push; earlier ones may still be retrying.
  await Promise.all(pushes)
  intercepted.restore()
  return { sent, answered }
}

/** A fetch with retries, for a client that does not retry. */
async function fetchAgain(gateway: RestartableGateway, ...args: Parameters<typeof fetch>): Promise<Response> {
  const [url, { signal: _, ...init } = {}] = args
  for (;;) {
    await gateway.listening()
    const response = await fetchOnce(url, init).catch(() => undefined)
    if (response !== undefined && response.status < 500) return response
    // Another turn of the event loop, because the kill may not have been noticed yet.
    await setImmediate()
  }
}

const fetchOnce = globalThis.fetch

function linesOf(body: string): string[] {
  const { streams } = JSON.parse(body) as { streams: { values: [string, string][] }[] }
  return streams.flatMap(({ values }) => values.map(([, line]) => line))
}

function openLogger(host: string, options: Partial<LokiOptions> = {}) {
  const stream = pinoLoki({
    host,
    batching: { interval: 0.01 },
    labels: { app: 'pino' },
    logFormat: '{msg}',
    silenceErrors: true,
    ...options,
  })
  const logger = pino({ level: 'debug' }, stream)
  const close = async (): Promise<void> => {
    stream.end()
    await once(stream, 'close')
  }
  return { logger, close }
}
