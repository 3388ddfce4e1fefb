import { SSM } from '@aws-sdk/client-ssm'
import t, { type Test } from 'tap'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import { loadSettings } from '../../src/homes/references.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { buildApp } from '../../src/transport/http/app.ts'
import { testClient } from '../aws/test-client.ts'
import { AwsFailure } from '../doubles/json-service.ts'
import { SsmDouble } from '../doubles/ssm-double.ts'
import { FixedClock } from '../support/helper.ts'

const SECRET = '/aws/reference/secretsmanager/users'

/** A gateway whose users are a secret, and what it told. */
async function startGateway(t: Test) {
  const clock = new FixedClock()
  const secrets = new Map([['users', '{"username":"stytch-logs-ingestion","password":"first"}']])
  const ssm = await SsmDouble.start({ clock, secrets })
  const client = new SSM(testClient(ssm.url))
  const env = { MILLRACE_DATA_DIR: t.testdir(), MILLRACE_USERS: `ssm:${SECRET}` }
  const settings = await loadSettings(env, async () => client)
  const told: string[] = []
  const events = {
    usersChanged: (users: number) => told.push(`changed ${users}`),
    usersNotRefreshed: () => told.push('not refreshed'),
  }
  const metrics = new Metrics()
  const home = openEmbedded(settings.config, clock, metrics.storeEvents({ error: () => undefined }))
  const app = await buildApp({
    ports: home.ports,
    config: settings.config,
    keys: home.keys,
    metrics,
    version: '0.0.0-test',
    users: settings.openUsers({ clock, random: () => 0, events }),
  })
  t.teardown(async () => {
    await app.close()
    await home.close()
    client.destroy()
    await ssm.stop()
  })
  const push = async (password: string): Promise<number> => {
    const authorization = `Basic ${Buffer.from(`stytch-logs-ingestion:${password}`).toString('base64')}`
    const payload = { streams: [{ stream: { app: 'a' }, values: [[String(clock.nowNs), 'line']] }] }
    const answer = await app.inject({
      method: 'POST',
      url: '/loki/api/v1/push',
      headers: { authorization },
      payload,
    })
    return answer.statusCode
  }
  return { clock, secrets, ssm, push, told }
}

t.test('a rotated secret is right at its first use, and the old one wrong from then on', async (t) => {
  const { secrets, push, told } = await startGateway(t)
  t.equal(await push('first'), 200)
  secrets.set('users', '{"username":"stytch-logs-ingestion","password":"second"}')
  t.equal(await push('second'), 200)
  t.equal(await push('first'), 401)
  t.same(told, ['changed 1'])
})

t.test('an old password is refused once the users were looked up as always', async (t) => {
  const { clock, secrets, push } = await startGateway(t)
  secrets.set('users', '{"username":"stytch-logs-ingestion","password":"second"}')
  t.equal(await push('first'), 200)
  clock.ms += 300_000
  t.equal(await push('first'), 200, 'it is looked up beside this one')
  t.equal(await push('second'), 200)
  t.equal(await push('first'), 401)
})

t.test('wrong passwords make one look-up in ten seconds, and keep the right one right', async (t) => {
  const { clock, ssm, push } = await startGateway(t)
  const lookups = () => ssm.service.calls.get('GetParameters') ?? 0
  const before = lookups()
  for (let i = 0; i < 5; i++) t.equal(await push(`wrong ${i}`), 401)
  t.equal(lookups() - before, 1)
  clock.ms += 10_000
  t.equal(await push('wrong'), 401)
  t.equal(lookups() - before, 2)
  t.equal(await push('first'), 200)
})

t.test('while SSM is down the users of before hold on', async (t) => {
  const { ssm, push, told } = await startGateway(t)
  ssm.service.failNext('GetParameters', new AwsFailure('InternalServerError', 'down', 500))
  t.equal(await push('second'), 401)
  t.same(told, ['not refreshed'])
  t.equal(await push('first'), 200)
})

t.test('a secret that is no users keeps those of before', async (t) => {
  const { secrets, push, told } = await startGateway(t)
  secrets.set('users', '{"username":"stytch-logs-ingestion"}')
  t.equal(await push('second'), 401)
  t.same(told, ['not refreshed'])
  t.equal(await push('first'), 200)
})

t.test('a start without the parameter is refused, with the variable and the name', async (t) => {
  const ssm = await SsmDouble.start({ clock: new FixedClock() })
  const client = new SSM(testClient(ssm.url))
  t.teardown(() => {
    client.destroy()
    return ssm.stop()
  })
  await t.rejects(
    loadSettings({ MILLRACE_USERS: 'ssm:/m/users' }, async () => client),
    { code: 'config_invalid', message: /MILLRACE_USERS: parameter "\/m\/users" does not exist/ },
  )
})

t.test('without references no client is made, and the users never change', async (t) => {
  const settings = await loadSettings({ MILLRACE_USERS: 'ann:pw' }, () => t.fail('a client was made') as never)
  t.match(settings.config.auth.users, [{ name: 'ann' }])
  const events = { usersChanged: () => {}, usersNotRefreshed: () => {} }
  t.equal(settings.openUsers({ clock: new FixedClock(), random: () => 0, events }), undefined)
})
