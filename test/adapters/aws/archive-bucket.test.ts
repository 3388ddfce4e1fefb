import { S3 } from '@aws-sdk/client-s3'
import { startFauxqs } from 'fauxqs'
import t, { type Test } from 'tap'
import { ArchiveBucket, type ObjectClient, type ObjectPage } from '../../../src/adapters/aws/archive-bucket.ts'
import { awsError } from './stepped-pacing.ts'

async function open(t: Test): Promise<ArchiveBucket> {
  const server = await startFauxqs({ port: 0, logger: false })
  server.setup({ buckets: ['archive'] })
  const client = new S3({
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    forcePathStyle: true,
  })
  t.teardown(async () => {
    client.destroy()
    await server.stop()
  })
  return new ArchiveBucket(async () => client, 'archive')
}

async function bytesOf(body: AsyncIterable<Uint8Array> | undefined): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body ?? []) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function pagesOf(pages: AsyncIterable<ObjectPage>): Promise<{ keys: string[]; folders: string[] }> {
  const found = { keys: [] as string[], folders: [] as string[] }
  for await (const { objects, folders } of pages) {
    found.keys.push(...objects.map(({ key }) => key))
    found.folders.push(...folders)
  }
  return found
}

t.test('a stored object can be read, listed and replaced', async (t) => {
  const bucket = await open(t)
  await bucket.put('logs/a', Buffer.from('one'))
  await bucket.put('logs/a', Buffer.from('three'))
  t.equal(await bytesOf(await bucket.get('logs/a')), 'three')
  for await (const { objects } of bucket.list({ prefix: 'logs/' })) {
    t.match(objects, [{ key: 'logs/a', bytes: 5, etag: /\w+/ }])
  }
})

t.test('a missing object is undefined', async (t) => {
  t.equal(await (await open(t)).get('logs/none'), undefined)
})

t.test('a listing can start after a key, and groups folders', async (t) => {
  const bucket = await open(t)
  for (const key of ['x/1', 'logs/2025/12/a', 'logs/2026/01/b', 'logs/2026/02/c'])
    await bucket.put(key, Buffer.from('x'))
  t.same(await pagesOf(bucket.list({ prefix: 'logs/', startAfter: 'logs/2026/01/a' })), {
    keys: ['logs/2026/01/b', 'logs/2026/02/c'],
    folders: [],
  })
  t.same(await pagesOf(bucket.list({ prefix: 'logs/2026/', delimiter: '/' })), {
    keys: [],
    folders: ['logs/2026/01/', 'logs/2026/02/'],
  })
  t.same(await pagesOf(bucket.list({ prefix: 'none/' })), { keys: [], folders: [] })
})

t.test('a listing of several pages is read completely, one page at a time', async (t) => {
  const asked: (string | undefined)[] = []
  const client = {
    listObjectsV2: async ({ ContinuationToken }: { ContinuationToken?: string }) => {
      asked.push(ContinuationToken)
      const page = Number(ContinuationToken ?? 0)
      const next = page < 2 ? { IsTruncated: true, NextContinuationToken: String(page + 1) } : {}
      return { $metadata: {}, Contents: [{ Key: `k${page}`, Size: 1, ETag: 'e' }], ...next }
    },
  } as unknown as ObjectClient
  const pages = new ArchiveBucket(async () => client, 'archive').list({ prefix: '' })
  await pages.next()
  t.same(asked, [undefined])
  t.same(await pagesOf(pages), { keys: ['k1', 'k2'], folders: [] })
})

const FAILURE_ROWS: [name: string, error: Error, code: string][] = [
  ['throttling', awsError('SlowDown', 503, 'server'), 'overloaded'],
  ['no permission', awsError('AccessDenied', 403), 'store_unavailable'],
  ['a missing bucket', awsError('NoSuchBucket', 404), 'store_unavailable'],
]
for (const [name, error, code] of FAILURE_ROWS) {
  t.test(`${name} is ${code} for every call`, async (t) => {
    const refuse = () => Promise.reject(error)
    const client: ObjectClient = { putObject: refuse, getObject: refuse, listObjectsV2: refuse, deleteObjects: refuse }
    const bucket = new ArchiveBucket(async () => client, 'archive')
    await t.rejects(bucket.put('a', new Uint8Array(0)), { code, cause: error })
    await t.rejects(bucket.get('a'), { code })
    await t.rejects(bucket.list({ prefix: '' }).next(), { code })
  })
}

t.test('a broken body is store_unavailable, a cancelled one is query_cancelled', async (t) => {
  const client = {
    getObject: async () => ({
      $metadata: {},
      Body: (async function* () {
        yield Buffer.from('a')
        throw new Error('aborted')
      })(),
    }),
  } as unknown as ObjectClient
  const bucket = new ArchiveBucket(async () => client, 'archive')
  await t.rejects(bytesOf(await bucket.get('a')), { code: 'store_unavailable' })
  const controller = new AbortController()
  const body = await bucket.get('a', controller.signal)
  controller.abort()
  await t.rejects(bytesOf(body), { code: 'query_cancelled' })
})
