import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs'
import { SSM } from '@aws-sdk/client-ssm'
import t from 'tap'
import { motoClient, uniqueName } from './moto-client.ts'

const ssm = new SSM(motoClient())
const logs = new CloudWatchLogs(motoClient())
t.teardown(() => {
  ssm.destroy()
  logs.destroy()
})

t.test('a SecureString is read with decryption, and missing names are told', async (t) => {
  const Name = `/${uniqueName('millrace')}/users`
  await ssm.putParameter({ Name, Value: 'agent:secret', Type: 'SecureString' })
  const sealed = await ssm.getParameter({ Name })
  t.not(sealed.Parameter?.Value, 'agent:secret')
  const { Parameters, InvalidParameters } = await ssm.getParameters({ Names: [Name, '/none'], WithDecryption: true })
  t.match(Parameters, [{ Name, Value: 'agent:secret', Version: 1 }])
  t.strictSame(InvalidParameters, ['/none'])
  await ssm.putParameter({ Name, Value: 'agent:rotated', Type: 'SecureString', Overwrite: true })
  const rotated = await ssm.getParameter({ Name, WithDecryption: true })
  t.match(rotated.Parameter, { Value: 'agent:rotated', Version: 2 })
})

t.test('a secret is read through the reference path', async (t) => {
  const name = uniqueName('users')
  await callSecretsManager('CreateSecret', { Name: name, SecretString: '{"username":"agent","password":"one"}' })
  const Name = `/aws/reference/secretsmanager/${name}`
  const { Parameter } = await ssm.getParameter({ Name, WithDecryption: true })
  t.equal(Parameter?.Value, '{"username":"agent","password":"one"}')
})

t.test('events are put without sequence tokens, and too old ones are told', async (t) => {
  const stream = { logGroupName: uniqueName('/cognigy'), logStreamName: 'project' }
  await logs.createLogGroup({ logGroupName: stream.logGroupName })
  await logs.createLogStream(stream)
  await t.rejects(logs.createLogStream(stream), { name: 'ResourceAlreadyExistsException' })
  const now = Date.now()
  const fresh = [
    { timestamp: now - 1, message: 'error one' },
    { timestamp: now, message: 'fine' },
  ]
  await logs.putLogEvents({ ...stream, logEvents: fresh })
  const old = [{ timestamp: now - 15 * 24 * 3600_000, message: 'old' }]
  const { rejectedLogEventsInfo } = await logs.putLogEvents({ ...stream, logEvents: old })
  t.ok(rejectedLogEventsInfo?.tooOldLogEventEndIndex !== undefined)
  const { events } = await logs.filterLogEvents({ logGroupName: stream.logGroupName, filterPattern: 'error' })
  t.strictSame(
    events?.map(({ message }) => message),
    ['error one'],
  )
})

/** Without its client, which nothing else needs: moto knows the service by the scope of an unchecked signature. */
async function callSecretsManager(operation: string, body: object): Promise<void> {
  const scope = 'Credential=test/20261121/us-east-1/secretsmanager/aws4_request'
  const response = await fetch(process.env['MOTO_URL'] as string, {
    method: 'POST',
    headers: {
      authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=none`,
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `secretsmanager.${operation}`,
    },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${operation}: ${response.status} ${await response.text()}`)
}
