import { randomUUID } from 'node:crypto'
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs'
import { SSM } from '@aws-sdk/client-ssm'
import t from 'tap'
import { fetchParameters } from '../../src/adapters/aws/parameters.ts'
import { CloudWatchSink } from '../../src/adapters/aws/poller/cloudwatch-sink.ts'
import { SsmCursors } from '../../src/adapters/aws/poller/ssm-cursors.ts'
import { firstCursor } from '../../src/domain/sources/source-cursor.ts'
import { motoClient, uniqueName } from './moto-client.ts'

const NOW = Date.now()
const ssm = new SSM(motoClient())
const logs = new CloudWatchLogs(motoClient())
t.teardown(() => {
  ssm.destroy()
  logs.destroy()
})

t.test('parameters are decrypted, and missing ones are not in the result', async (t) => {
  const Name = `/${uniqueName('millrace')}/users`
  await ssm.putParameter({ Name, Value: 'agent:secret', Type: 'SecureString' })
  t.not((await ssm.getParameter({ Name })).Parameter?.Value, 'agent:secret', 'not without decryption')
  const read = () => fetchParameters(async () => ssm, [Name, '/none'])
  t.strictSame([...(await read())], [[Name, 'agent:secret']])
  await ssm.putParameter({ Name, Value: 'agent:rotated', Type: 'SecureString', Overwrite: true })
  t.strictSame([...(await read())], [[Name, 'agent:rotated']])
})

// Unlike AWS, moto returns the secret's bare name, so this uses the SDK instead of fetchParameters.
t.test('a secret is read through the reference path', async (t) => {
  const name = uniqueName('users')
  const SecretString = '{"username":"agent","password":"one"}'
  await callSecretsManager('CreateSecret', { Name: name, SecretString, ClientRequestToken: randomUUID() })
  const Names = [`/aws/reference/secretsmanager/${name}`]
  const { Parameters } = await ssm.getParameters({ Names, WithDecryption: true })
  t.match(Parameters, [{ Value: '{"username":"agent","password":"one"}' }])
})

t.test('of two runs that loaded the same cursor, one gets the lease', async (t) => {
  const folder = `/${uniqueName('cognigy')}`
  const names = { lastTs: `${folder}/last-ts-ms`, cursor: `${folder}/cursor`, sequenceToken: `${folder}/seq-token` }
  const parts = { client: ssm, names, isShared: false, overlapMs: 300_000, doubtfulUntilMs: () => NOW }
  const [one, two] = [new SsmCursors(parts), new SsmCursors(parts)]
  const lease = { holder: 'one', untilMs: NOW + 60_000 }
  const loaded = await one.load('project')
  t.equal(loaded.cursor, undefined, 'a first run')
  const other = await two.load('project')
  const revision = await one.claim('project', loaded, lease)
  await t.rejects(two.claim('project', other, { ...lease, holder: 'two' }), { code: 'state_conflict' })
  await one.save('project', revision, firstCursor(NOW - 1000, NOW), undefined)
  t.match(await two.load('project'), { cursor: { lastTsMs: NOW - 1000 }, lease: undefined })
  t.equal((await ssm.getParameter({ Name: names.lastTs })).Parameter?.Value, String(NOW - 1000))
})

t.test(
  'entries become events of a group and stream created for them, and existing ones are not duplicated',
  async (t) => {
    const group = uniqueName('/cognigy')
    const streamOf = ({ name }: { name: string }) => name
    const sink = new CloudWatchSink({ client: logs, group, streamOf, wait: async () => undefined, random: () => 0 })
    const project = { id: 'p', name: 'project' }
    const entries = ['one', 'two'].map((line, at) => ({
      id: `id-${line}`,
      timestampMs: NOW + at,
      level: 'info',
      line,
      metadata: [],
      json: JSON.stringify({ _id: `id-${line}`, msg: line }),
    }))
    t.match(await sink.write(project, entries, new Set()), { stored: 2, duplicates: 0 })
    t.match(await sink.write(project, entries, new Set(entries.map(({ id }) => id))), { stored: 0, duplicates: 2 })
    const { events } = await logs.filterLogEvents({ logGroupName: group, filterPattern: 'two' })
    t.equal(events?.length, 1)
  },
)

t.test('events that are too old are reported', async (t) => {
  const stream = { logGroupName: uniqueName('/cognigy'), logStreamName: 'project' }
  await logs.createLogGroup({ logGroupName: stream.logGroupName })
  await logs.createLogStream(stream)
  await t.rejects(logs.createLogStream(stream), { name: 'ResourceAlreadyExistsException' })
  const old = [{ timestamp: NOW - 15 * 24 * 3600_000, message: 'old' }]
  const { rejectedLogEventsInfo } = await logs.putLogEvents({ ...stream, logEvents: old })
  t.ok(rejectedLogEventsInfo?.tooOldLogEventEndIndex !== undefined)
})

/**
 * Without the SDK's client, which nothing else needs: moto recognises the service by the scope of an unverified
 * signature.
 */
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
