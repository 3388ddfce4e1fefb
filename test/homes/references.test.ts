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
import { testFolder } from '../support/test-folder.ts'

const SECRET = '/aws/reference/secretsmanager/users'

/** A gateway whose users are a secret, and its rotation events. */
async function startGateway(t: Test) {
  const clock = new FixedClock()
  const secrets = new Map([['users', '{"username":"stytch-logs-ingestion","password":"first"}']])
  const ssm = await SsmDouble.start({ clock, secrets })
  const client = new SSM(testClient(ssm.url))
  const env = { MILLRACE_DATA_DIR: testFolder(t), MILLRACE_USERS: `ssm:${SECRET}` }
  const settings = await loadSettings(env, async () => client)
  const events: string[] = []
  const rotation = {
    usersChanged: (users: number) => events.push(`changed ${users}`),
    usersNotRefreshed: () => events.push('not refreshed'),
  }
  const metrics = new Metrics()
  const home = openEmbedded(settings.config, clock, metrics.storeEvents({ error: () => undefined }))
  const app = await buildApp({
    ports: home.ports,
    config: settings.config,
    keys: home.keys,
    metrics,
    version: '0.0.0-test',
    users: settings.openUsers({ clock, random: () => 0, events: rotation }),
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
  return { clock, secrets, ssm, push, events }
}

t.test('a rotated secret works on first use, and the old one stops working', async (t) => {
  const { secrets, push, events } = await startGateway(t)
  t.equal(await push('first'), 200)
  secrets.set('users', '{"username":"stytch-logs-ingestion","password":"second"}')
  t.equal(await push('second'), 200)
  t.equal(await push('first'), 401)
  t.same(events, ['changed 1'])
})

t.test('an old password is rejected after the regular lookup', async (t) => {
  const { clock, secrets, push } = await startGateway(t)
  secrets.set('users', '{"username":"stytch-logs-ingestion","password":"second"}')
  t.equal(await push('first'), 200)
  clock.ms += 300_000
  t.equal(await push('first'), 200, 'it is looked up beside this one')
  t.equal(await push('second'), 200)
  t.equal(await push('first'), 401)
})

t.test('wrong passwords trigger one lookup in ten seconds, and the right one keeps working', async (t) => {
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

t.test('the previous users are kept while SSM is down', async (t) => {
  const { ssm, push, events } = await startGateway(t)
  ssm.service.failNext('GetParameters', new AwsFailure('InternalServerError', 'down', 500))
  t.equal(await push('second'), 401)
  t.same(events, ['not refreshed'])
  t.equal(await push('first'), 200)
})

t.test('the previous users are kept if the secret is invalid', async (t) => {
  const { secrets, push, events } = await startGateway(t)
  secrets.set('users', '{"username":"stytch-logs-ingestion"}')
  t.equal(await push('second'), 401)
  t.same(events, ['not refreshed'])
  t.equal(await push('first'), 200)
})

t.test('a missing parameter fails the start, with the variable and the name', async (t) => {
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

t.test('without references no client is created, and the users never change', async (t) => {
  const settings = await loadSettings({ MILLRACE_USERS: 'ann:pw' }, () => t.fail('a client was made') as never)
  t.match(settings.config.auth.users, [{ name: 'ann' }])
  const events = { usersChanged: () => {}, usersNotRefreshed: () => {} }
  t.equal(settings.openUsers({ clock: new FixedClock(), random: () => 0, events }), undefined)
})
