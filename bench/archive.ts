/** `npm run bench:archive`: the cost of reads on the direct path before and after compaction, in calls, bytes and CPU time. */

import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import { ArchiveObjects } from '../src/adapters/aws/archive/archive-objects.ts'
import { ArrivedRows } from '../src/adapters/aws/archive/arrived-rows.ts'
import { DirectWrites } from '../src/adapters/aws/archive/direct-writes.ts'
import { DynamoManifest } from '../src/adapters/aws/archive/dynamo-manifest.ts'
import { RowArrivals } from '../src/adapters/aws/archive/gathered-arrivals.ts'
import { ArchiveBucket } from '../src/adapters/aws/archive-bucket.ts'
import { ArchiveReader } from '../src/adapters/aws/read/archive-reader.ts'
import { RecentItems } from '../src/adapters/aws/recent-items.ts'
import { StreamIndex } from '../src/adapters/aws/stream-index.ts'
import { DuckdbFiles } from '../src/adapters/duckdb/duckdb-files.ts'
import { equalityMatcher } from '../src/domain/selector.ts'
import { msToNs } from '../src/domain/time.ts'
import { type CompactionWork, compactArrivals, mergeFiles } from '../src/flows/archive/compact-archive.ts'
import type { ReadRequest } from '../src/ports/log-store.ts'
import { openScratch } from '../test/adapters/aws/archive.ts'
import { MemoryObjects } from '../test/adapters/aws/memory-clients.ts'
import { testClient } from '../test/aws/test-client.ts'
import { DynamodbDouble } from '../test/doubles/dynamodb-double.ts'
import { FixedClock, makeBatch, openAdmission } from '../test/support/helper.ts'
import { Random } from '../test/support/random.ts'

const HELP = `node bench/archive.ts [--tenants 8] [--megabytes 64]

Pushes an hour of made-up lines of all tenants through the direct path, 30 seconds of a tenant a push, over S3 in memory and
DynamoDB in this process. Reads with a cold reader, compacts, and reads again. CPU time is that of this process, DynamoDB included.
`
const TABLE = 'millrace'
const PREFIX = 'logs/'
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const STREAMS = 20
const PUSH_MS = 30_000
const PATHS = ['cart', 'checkout', 'search', 'product', 'login']

const { values } = parseArgs({
  options: {
    tenants: { type: 'string', default: '8' },
    megabytes: { type: 'string', default: '64' },
    help: { type: 'boolean', default: false },
  },
})

/** Counts the gateway's calls, and the bytes of returned objects. */
class Meter {
  calls = 0
  bytes = 0

  around<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          this.calls++
          return Reflect.apply(member, object, args)
        }
      },
    })
  }
}

interface Bench {
  readonly clock: FixedClock
  readonly meter: Meter
  readonly writes: DirectWrites
  readonly compaction: CompactionWork
  openReader(): ArchiveReader
}

function openBench(documents: DynamoDBDocument, folder: string): Bench {
  const clock = new FixedClock()
  const meter = new Meter()
  const objects = new MemoryObjects()
  objects.bodyOf = async function* (bytes) {
    meter.bytes += bytes.length
    yield bytes
  }
  const [s3, items] = [meter.around(objects), meter.around(documents)]
  const bucket = new ArchiveBucket(async () => s3, 'bucket')
  const rows = new ArrivedRows(async () => items, TABLE)
  const manifest = new DynamoManifest(async () => items, { table: TABLE, buckets: 1 })
  const parts = { rows, manifest, bucket, damaged: () => undefined, makeName: randomUUID }
  const none = (): void => undefined
  mkdirSync(join(folder, 'files'))
  return {
    clock,
    meter,
    writes: new DirectWrites({ bucket, rows, manifest, clock }, PREFIX),
    compaction: {
      manifest,
      arrivals: new RowArrivals(parts, { prefix: PREFIX, folder: join(folder, 'files') }),
      builder: new DuckdbFiles({ folder: join(folder, 'files'), memoryBytes: 2 ** 30, fileLineBytes: 2 ** 30 }),
      objects: new ArchiveObjects(bucket, { prefix: PREFIX, folder: join(folder, 'files'), makeName: randomUUID }),
      nowMs: () => clock.ms,
      retentionMs: undefined,
      reports: { sealed: none, behind: none, merged: none, removed: none, damaged: none, failed: none },
    },
    openReader: () =>
      new ArchiveReader(
        {
          bucket,
          manifest,
          rows,
          recent: new RecentItems(async () => items, TABLE, HOUR),
          index: new StreamIndex(async () => items, { table: TABLE, retentionMs: undefined }),
          clock,
          openScratch: (dataDir) => openScratch(dataDir, clock),
          events: { sourceDamaged: none },
        },
        {
          prefix: PREFIX,
          listsObjects: false,
          timing: { lateAfterMs: HOUR, bufferMsMax: 900_000 },
          recentWindowMs: HOUR,
          queryBytesMax: 2 ** 31,
          cache: { folder: join(folder, 'cache'), bytesMax: 2 ** 33 },
        },
      ),
  }
}

/** Pushes an hour of all tenants; resolves to the time of its first line, ms. */
async function pushHour({ clock, writes }: Bench, tenants: number, lineBytes: number): Promise<number> {
  const random = new Random(11)
  const startMs = Math.ceil(clock.ms / HOUR) * HOUR
  const pushBytes = lineBytes / tenants / (HOUR / PUSH_MS)
  for (let ms = startMs; ms < startMs + HOUR; ms += PUSH_MS) {
    clock.ms = ms + PUSH_MS - 1
    for (let tenant = 0; tenant < tenants; tenant++) {
      const streams = Array.from({ length: STREAMS }, (_, i) => ({
        labels: { app: `app-${i % 5}`, pod: `pod-${i}`, service_name: `app-${i % 5}` },
        entries: [] as { ns: bigint; line: string; metadata: Record<string, string> }[],
      }))
      for (let bytes = 0, i = 0; bytes < pushBytes; i++) {
        const path = PATHS[i % PATHS.length]
        const line = `10.0.${i % 256}.${(i * 7) % 256} - - "GET /${path}/${random.hex(8)} HTTP/1.1" ${i % 9 === 0 ? 500 : 200} ${(i * 7919) % 100_000} "-" "Mozilla/5.0 (X11; Linux x86_64)" ${(i * 31) % 1000}`
        bytes += line.length
        const ns = msToNs(ms) + BigInt(i) * 1_000_000n
        streams[i % STREAMS]?.entries.push({ ns, line, metadata: { trace_id: random.hex(32) } })
      }
      const batch = makeBatch(streams, openAdmission(clock, `tenant-${tenant}`))
      await writes.write(writes.plan(batch, new Set()), 'push', clock.ms)
    }
  }
  return startMs
}

async function measure(bench: Bench, name: string, request: Omit<ReadRequest, 'tenant'>): Promise<void> {
  const reader = bench.openReader()
  const before = { calls: bench.meter.calls, bytes: bench.meter.bytes, cpu: process.cpuUsage() }
  let entries = 0
  let newest = 0
  for await (const { runs } of reader.read({ tenant: 'tenant-0', ...request })) {
    for (const { start, end } of runs) entries += end - start
    newest = entries
    if (request.wants !== undefined && newest >= 100) break
  }
  const { user, system } = process.cpuUsage(before.cpu)
  const [calls, bytes] = [bench.meter.calls - before.calls, bench.meter.bytes - before.bytes]
  const cpu = `${((user + system) / 1000).toFixed(0)} ms`
  console.log(
    `${name.padEnd(52)}${String(calls).padStart(6)} calls${(bytes / 1e6).toFixed(2).padStart(9)} MB${cpu.padStart(10)}${String(entries).padStart(9)} entries`,
  )
  await reader.close()
}

async function measureAll(bench: Bench, startMs: number, when: string): Promise<void> {
  const one = [equalityMatcher('pod', '=', 'pod-3')]
  const minute = { start: msToNs(startMs + 30 * MINUTE), end: msToNs(startMs + 31 * MINUTE) }
  const hour = { start: msToNs(startMs), end: msToNs(startMs + HOUR) }
  await measure(bench, `${when}: a minute of a stream`, { matchers: one, ...minute, direction: 'forward' })
  await measure(bench, `${when}: the newest 100 of a stream`, {
    matchers: one,
    ...hour,
    direction: 'backward',
    wants: () => true,
  })
  await measure(bench, `${when}: an hour of a stream`, { matchers: one, ...hour, direction: 'forward' })
  await measure(bench, `${when}: an hour of the tenant`, { matchers: [], ...hour, direction: 'forward' })
}

async function run(tenants: number, lineBytes: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-archive-'))
  const double = await DynamodbDouble.start()
  const client = new DynamoDB(testClient(double.url, 3))
  try {
    await client.createTable({
      TableName: TABLE,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' as const })),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    })
    const bench = openBench(DynamoDBDocument.from(client), folder)
    const startMs = await pushHour(bench, tenants, lineBytes)
    console.log(`an hour of ${tenants} tenants, ${(lineBytes / 1e6).toFixed(0)} MB of lines`)
    await measureAll(bench, startMs, 'rows')
    bench.clock.ms = startMs + HOUR + 4 * MINUTE
    const before = process.cpuUsage()
    await compactArrivals(bench.compaction)
    bench.clock.ms += HOUR
    await compactArrivals(bench.compaction)
    await mergeFiles(bench.compaction)
    const { user, system } = process.cpuUsage(before)
    const [day] = await bench.compaction.manifest.days(0)
    const files = day?.files ?? []
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    console.log(
      `compacted in ${((user + system) / 1e6).toFixed(1)} CPU s to ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB`,
    )
    await measureAll(bench, startMs, 'files')
  } finally {
    client.destroy()
    await double.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

if (values.help) process.stdout.write(HELP)
else await run(Number(values.tenants), Number(values.megabytes) * 1e6)
