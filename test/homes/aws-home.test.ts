import t, { type Test } from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import type { AwsClients } from '../../src/homes/aws-clients.ts'
import { openAws } from '../../src/homes/aws-home.ts'
import { FixedClock, RecordedEvents } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'

const NEEDED = {
  MILLRACE_TABLE: 'table',
  MILLRACE_BUCKET: 'bucket',
  MILLRACE_FIREHOSE_STREAM: 'stream',
  MILLRACE_QUEUE_URL: 'https://sqs.example.com/1/queue',
  MILLRACE_KEY_SECRET: 'a secret of more than 32 characters',
}

const events = () => Object.assign(new RecordedEvents(), { sourceDamaged: () => {} })

/** Clients that must not be created: opening calls no service. */
function unusedClients(): AwsClients & { destroyed: number } {
  const none = () => Promise.reject(new Error('BUG: a client was made'))
  return {
    firehose: none,
    items: none,
    queues: none,
    objects: none,
    destroyed: 0,
    destroy() {
      this.destroyed++
    },
  }
}

async function open(t: Test, environment: Record<string, string> = {}, clients = unusedClients()) {
  const cacheDir = environment['MILLRACE_CACHE_DIR'] ?? testFolder(t)
  const config = readConfig({ ...NEEDED, ...environment, MILLRACE_CACHE_DIR: cacheDir })
  const home = await openAws(config, new FixedClock(), events(), clients)
  t.teardown(() => home.close())
  return home
}

t.test('all missing settings are reported together', async (t) => {
  const config = readConfig({ MILLRACE_BUCKET: 'bucket' })
  await t.rejects(openAws(config, new FixedClock(), events()), {
    code: 'config_invalid',
    message:
      'MILLRACE_HOME=aws needs MILLRACE_TABLE, MILLRACE_FIREHOSE_STREAM, MILLRACE_QUEUE_URL, MILLRACE_KEY_SECRET; set them',
  })
})

t.test('containers with the same secret have the same keys, one for each purpose', async (t) => {
  const environment = { MILLRACE_LOCAL_ISSUER: 'true' }
  const [first, second] = [await open(t, environment), await open(t, environment)]
  t.same(first.keys, second.keys)
  t.equal(first.keys.pageToken.length, 32)
  t.equal(first.keys.localIssuer?.length, 32)
  t.notSame(first.keys.pageToken, first.keys.localIssuer)
  const other = await open(t, { ...environment, MILLRACE_KEY_SECRET: 'another secret of more than 32 characters' })
  t.notSame(other.keys.pageToken, first.keys.pageToken)
})

t.test('opening and closing calls no service, and closes the clients', async (t) => {
  const clients = unusedClients()
  const home = await open(t, {}, clients)
  t.equal(home.keys.localIssuer, undefined)
  t.equal(home.ports.store.trouble(), undefined)
  await home.close()
  t.equal(clients.destroyed, 1)
})

t.test('the tenant limits file applies in this home too', async (t) => {
  const dir = testFolder(t, { 'limits.json': JSON.stringify({ shop: { queryEntriesMax: 7 } }) })
  const home = await open(t, { MILLRACE_TENANT_LIMITS_FILE: `${dir}/limits.json`, MILLRACE_CACHE_DIR: `${dir}/cache` })
  t.equal(home.ports.limits?.of('shop').query.entriesMax, 7)
})

const FAULT_ROWS: [variable: string, value: string][] = [
  ['MILLRACE_ARCHIVE_PREFIX', 'logs'],
  ['MILLRACE_ARCHIVE_PREFIX', '/logs/'],
  ['MILLRACE_QUEUE_URL', 'queue'],
  ['MILLRACE_RECENT_WINDOW', '5m'],
  ['MILLRACE_LATE_AFTER', '1s'],
  ['MILLRACE_KEY_SECRET', 'too short to be safe'],
]
for (const [variable, value] of FAULT_ROWS) {
  t.test(`${variable} is rejected when it is ${JSON.stringify(value)}`, async (t) => {
    try {
      readConfig({ ...NEEDED, [variable]: value })
      t.fail('it was taken')
    } catch (error) {
      t.type(error, GatewayError)
      t.match(error, { code: 'config_invalid', message: variable })
      if (variable === 'MILLRACE_KEY_SECRET') t.notMatch((error as Error).message, value)
    }
  })
}
