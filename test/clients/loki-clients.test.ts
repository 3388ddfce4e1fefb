import { getLokiLogger } from '@miketako3/cloki'
import { GrafanaApi } from '@myunisoft/loki'
import t from 'tap'
import { Logger } from 'workers-loki-logger'
import { RestartableGateway } from './restarts.ts'

t.test('@myunisoft/loki: pushes and finds its lines again', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const api = new GrafanaApi({ remoteApiURL: gateway.url })
  const nowNs = BigInt(Date.now()) * 1_000_000n
  const sent = Array.from({ length: 100 }, (_, i) => `line ${i}`)
  await api.Loki.push([
    {
      stream: { app: 'myunisoft', env: 'test' },
      values: sent.map((line, i): [string, string] => [String(nowNs + BigInt(i)), line]),
    },
    { stream: { app: 'myunisoft', env: 'other' }, values: [[String(nowNs), 'with metadata', { trace: '7' }]] },
  ])
  const entries = await gateway.read('{app="myunisoft", env="test"}')
  t.strictSame(
    entries.map(({ line }) => line),
    sent,
  )
  t.match(await gateway.read('{env="other"}'), [{ line: 'with metadata', metadata: { trace: '7' } }])
  t.strictSame((await api.Loki.labelValues('env')).toSorted(), ['other', 'test'])
})

t.test('@myunisoft/loki: learns why a push is rejected', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const api = new GrafanaApi({ remoteApiURL: gateway.url })
  const push = api.Loki.push([{ stream: { 'sub-app': 'x' }, values: [[`${Date.now()}000000`, 'x']] }])
  const error = await push.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  t.match(error, { statusCode: 400, data: /unexpected character inside braces: '-'/ })
})

t.test('workers-loki-logger: every line is stored with its level', async (t) => {
  const gateway = await RestartableGateway.start(t)
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const logger = new Logger({
    lokiSecret: Buffer.from('user:token').toString('base64'),
    lokiUrl: gateway.url,
    stream: { app: 'worker' },
    mdc: { request: 'r-1' },
    logReceiver: silent,
  })
  logger.info('started after an error')
  logger.warn('slow')
  logger.error('failed', new Error('boom'))
  logger.fatal('gone')
  await logger.flush()
  const entries = await gateway.read('{app="worker"}')
  t.strictSame(
    entries.map(({ line, metadata }) => [line.split(',')[0], metadata['detected_level']]),
    [
      ['request=r-1 level=info started after an error', 'info'],
      ['request=r-1 level=warn slow', 'warn'],
      ['request=r-1 level=error failed error=boom', 'error'],
      ['request=r-1 level=fatal gone', 'fatal'],
    ],
  )
})

t.test('@miketako3/cloki: every line is stored', async (t) => {
  const gateway = await RestartableGateway.start(t)
  // The client only supports HTTPS and prints each line: TLS ends before the gateway, as behind a proxy.
  const send = globalThis.fetch
  globalThis.fetch = (url, init) => send(String(url).replace('https:', 'http:'), init)
  t.capture(console, 'log')
  t.teardown(() => {
    globalThis.fetch = send
  })
  const failures: unknown[] = []
  const logger = getLokiLogger({
    lokiHost: new URL(gateway.url).host,
    lokiUser: 'user',
    lokiToken: 'token',
    defaultLabels: { app: 'cloki' },
    onSendError: (error) => failures.push(error),
  })
  for (let i = 0; i < 20; i++) await logger.info(`line ${i}`)
  await logger.error({ message: 'failed', code: 7 }, { region: 'eu' })
  t.strictSame(failures, [])
  const entries = await gateway.read('{app="cloki"}')
  t.equal(entries.length, 21)
  t.match(await gateway.read('{app="cloki", level="error", region="eu"}'), [{ line: '{"message":"failed","code":7}' }])
})
