import { SSM } from '@aws-sdk/client-ssm'
import t, { type Test } from 'tap'
import { fetchParameters } from '../../../src/adapters/aws/parameters.ts'
import { testClient } from '../../aws/test-client.ts'
import { AwsFailure, throttled } from '../../doubles/json-service.ts'
import { SsmDouble } from '../../doubles/ssm-double.ts'
import { FixedClock } from '../../support/helper.ts'

/** An in-process Parameter Store, and an SDK client. */
async function startStore(t: Test, secrets = new Map<string, string>()) {
  const ssm = await SsmDouble.start({ clock: new FixedClock(), secrets })
  const client = new SSM(testClient(ssm.url))
  t.teardown(() => {
    client.destroy()
    return ssm.stop()
  })
  return { ssm, client: async () => client }
}

t.test('returns decrypted values, with ten names per call', async (t) => {
  const { ssm, client } = await startStore(t)
  const names = Array.from({ length: 23 }, (_, index) => `/m/p${index}`)
  for (const name of names) ssm.set(name, `value of ${name}`, 'SecureString')
  const values = await fetchParameters(client, names)
  t.same(
    names.map((name) => values.get(name)),
    names.map((name) => `value of ${name}`),
  )
})

t.test('returns a secret of Secrets Manager by its reference path', async (t) => {
  const { client } = await startStore(t, new Map([['prod/users', '{"username":"a","password":"b"}']]))
  const name = '/aws/reference/secretsmanager/prod/users'
  t.equal((await fetchParameters(client, [name])).get(name), '{"username":"a","password":"b"}')
})

t.test('distinguishes versions of a parameter', async (t) => {
  const { ssm, client } = await startStore(t)
  ssm.set('/m/p', 'old')
  ssm.set('/m/p', 'new')
  t.same(Array.from(await fetchParameters(client, ['/m/p', '/m/p:1'])), [
    ['/m/p', 'new'],
    ['/m/p:1', 'old'],
  ])
})

t.test('omits missing parameters', async (t) => {
  const { ssm, client } = await startStore(t)
  ssm.set('/m/a', 'a')
  t.same(Array.from(await fetchParameters(client, ['/m/b', '/m/a'])), [['/m/a', 'a']])
})

t.test('reports the parameters and the error name if SSM fails', async (t) => {
  const { ssm, client } = await startStore(t)
  ssm.set('/m/a', 'secret')
  ssm.service.failNext('GetParameters', throttled())
  await t.rejects(fetchParameters(client, ['/m/a']), {
    code: 'source_unavailable',
    message: /did not return "\/m\/a" \(ThrottlingException\)/,
  })
})

t.test('a missing secret does not affect the others', async (t) => {
  const { ssm, client } = await startStore(t, new Map([['s', 'secret']]))
  ssm.set('/m/a', 'a')
  ssm.service.failNext('GetParameters', new AwsFailure('ParameterNotFound', 'no such secret'))
  const names = ['/m/a', '/aws/reference/secretsmanager/nope', '/aws/reference/secretsmanager/s']
  t.same(Array.from(await fetchParameters(client, names)), [
    ['/m/a', 'a'],
    ['/aws/reference/secretsmanager/s', 'secret'],
  ])
  ssm.service.failNext('GetParameters', new AwsFailure('ParameterNotFound', 'no such secret'))
  t.equal((await fetchParameters(client, names.slice(1, 2))).size, 0)
})

t.test('accepts the names that emulators return', async (t) => {
  const answers = [
    { Name: '/m/p', Version: 1, Value: 'old' },
    { Name: 's', Version: 0, Value: 'secret' },
  ]
  const client = async () => ({ getParameters: async () => ({ $metadata: {}, Parameters: answers }) })
  t.same(Array.from(await fetchParameters(client, ['/m/p:1', '/aws/reference/secretsmanager/s', '/m/p:2'])), [
    ['/m/p:1', 'old'],
    ['/aws/reference/secretsmanager/s', 'secret'],
  ])
})
