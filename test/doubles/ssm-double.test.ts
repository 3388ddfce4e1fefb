import { SSM } from '@aws-sdk/client-ssm'
import t, { type Test } from 'tap'
import { testClient } from '../aws/test-client.ts'
import { FixedClock } from '../support/helper.ts'
import { SsmDouble } from './ssm-double.ts'

async function start(t: Test, secrets = new Map<string, string>()) {
  const clock = new FixedClock()
  const double = await SsmDouble.start({ clock, secrets })
  const client = new SSM(testClient(double.url))
  t.teardown(() => {
    client.destroy()
    return double.stop()
  })
  return { clock, double, client }
}

t.test('a parameter is returned as it was put, with its version', async (t) => {
  const { client, clock, double } = await start(t)
  t.match(await client.putParameter({ Name: '/a/cursor', Value: '1', Type: 'String' }), { Version: 1 })
  await t.rejects(client.putParameter({ Name: '/a/cursor', Value: '2' }), { name: 'ParameterAlreadyExists' })
  t.match(await client.putParameter({ Name: '/a/cursor', Value: '2', Overwrite: true }), { Version: 2 })
  const { Parameter } = await client.getParameter({ Name: '/a/cursor' })
  t.match(Parameter, { Name: '/a/cursor', Type: 'String', Value: '2', Version: 2 })
  t.strictSame(Parameter?.LastModifiedDate, new Date(clock.ms))
  t.equal(double.value('/a/cursor'), '2')
  await client.deleteParameter({ Name: '/a/cursor' })
  await t.rejects(client.getParameter({ Name: '/a/cursor' }), { name: 'ParameterNotFound' })
  await t.rejects(client.deleteParameter({ Name: '/a/cursor' }), { name: 'ParameterNotFound' })
})

t.test('a SecureString is ciphertext unless decryption is requested', async (t) => {
  const { client } = await start(t)
  await client.putParameter({ Name: '/key', Value: 'secret value', Type: 'SecureString' })
  const sealed = await client.getParameter({ Name: '/key' })
  t.notMatch(sealed.Parameter?.Value, /secret/)
  const open = await client.getParameter({ Name: '/key', WithDecryption: true })
  t.equal(open.Parameter?.Value, 'secret value')
})

t.test('a version or a label can be requested', async (t) => {
  const { client, double } = await start(t)
  double.set('/key', 'one')
  double.set('/key', 'two')
  await client.labelParameterVersion({ Name: '/key', ParameterVersion: 1, Labels: ['live'] })
  const value = async (Name: string) => (await client.getParameter({ Name })).Parameter?.Value
  t.strictSame([await value('/key:1'), await value('/key:live'), await value('/key')], ['one', 'one', 'two'])
  await client.labelParameterVersion({ Name: '/key', Labels: ['live'] })
  t.equal(await value('/key:live'), 'two', 'a label moves')
  await t.rejects(value('/key:9'), { name: 'ParameterVersionNotFound' })
  double.set('/a/key', 'by ARN')
  const arn = 'arn:aws:ssm:us-east-1:000000000000:parameter/a/key'
  t.strictSame([await value(arn), await value(`${arn}:1`)], ['by ARN', 'by ARN'])
})

t.test('GetParameters lists missing names, and accepts ten names', async (t) => {
  const { client, double } = await start(t)
  double.set('/a', '1')
  const answer = await client.getParameters({ Names: ['/a', '/none'] })
  t.match(answer, { Parameters: [{ Name: '/a', Value: '1' }], InvalidParameters: ['/none'] })
  const Names = Array.from({ length: 11 }, (_, at) => `/${at}`)
  await t.rejects(client.getParameters({ Names }), { name: 'ValidationException' })
})

t.test('a path is read in pages of ten', async (t) => {
  const { client, double } = await start(t)
  for (let at = 10; at < 35; at++) double.set(`/app/p${at}`, String(at))
  double.set('/app/deeper/p', 'x')
  double.set('/application', 'x')
  const found: (string | undefined)[] = []
  let NextToken: string | undefined
  let pages = 0
  do {
    const page = await client.getParametersByPath({ Path: '/app', NextToken })
    t.ok((page.Parameters?.length ?? 0) <= 10)
    found.push(...(page.Parameters ?? []).map(({ Value }) => Value))
    NextToken = page.NextToken
    pages++
  } while (NextToken !== undefined)
  t.equal(pages, 3)
  t.strictSame(
    found,
    Array.from({ length: 25 }, (_, at) => String(at + 10)),
  )
  const deep = await client.getParametersByPath({ Path: '/app/deeper/', Recursive: true })
  t.equal(deep.Parameters?.length, 1)
})

t.test('a secret is read through the reference path', async (t) => {
  const secrets = new Map([['millrace/users', '{"username":"agent","password":"one"}']])
  const { client } = await start(t, secrets)
  const Name = '/aws/reference/secretsmanager/millrace/users'
  const read = async () => (await client.getParameter({ Name, WithDecryption: true })).Parameter?.Value
  t.equal(await read(), '{"username":"agent","password":"one"}')
  secrets.set('millrace/users', 'rotated')
  t.equal(await read(), 'rotated')
  await t.rejects(client.getParameter({ Name }), { name: 'ValidationException' })
  await t.rejects(client.getParameter({ Name: `${Name}2`, WithDecryption: true }), { name: 'ParameterNotFound' })
})

t.test('values are bounded by their tier, names by their form', async (t) => {
  const { client } = await start(t)
  const put = (Name: string, length: number, Tier?: 'Advanced' | 'Intelligent-Tiering') =>
    client.putParameter({ Name, Value: 'x'.repeat(length), Type: 'String', Overwrite: true, Tier })
  await t.resolves(put('/a', 4096))
  await t.rejects(put('/a', 4097), { name: 'ValidationException', message: /4096/ })
  await t.resolves(put('/a', 8192, 'Advanced'))
  await t.rejects(put('/a', 8193, 'Advanced'), { name: 'ValidationException', message: /8192/ })
  t.match(await put('/b', 5000, 'Intelligent-Tiering'), { Tier: 'Advanced' })
  await t.rejects(put('/a', 0), { name: 'ValidationException' })
  await t.rejects(put('/aws/x', 1), { name: 'ValidationException' })
  await t.rejects(put('a/b', 1), { name: 'ValidationException' })
})

t.test('with throttling on, the forty-first read of a second is refused', async (t) => {
  const { client, double, clock } = await start(t)
  double.set('/a', '1')
  double.throttles = true
  for (let at = 0; at < 40; at++) await client.getParameter({ Name: '/a' })
  await t.rejects(client.getParameter({ Name: '/a' }), { name: 'ThrottlingException' })
  clock.ms += 1000
  await t.resolves(client.getParameter({ Name: '/a' }))
})
