import { existsSync, globSync, readdirSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { runCli } from '../../src/cli/commands.ts'
import { exportCommand, type RunExport } from '../../src/cli/export.ts'
import { readConfig } from '../../src/config/read-config.ts'
import { requestDeletion } from '../../src/flows/delete/delete-logs.ts'
import { runExport } from '../../src/processes/archive/export-logs.ts'
import { readParquetEntries } from '../../src/protocol/archive/parquet-file.ts'
import { plainStreams, textOfEntry, textsOf } from '../protocol/archive/archive-batches.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../support/helper.ts'
import { buildTestApp } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'
import { runAsking } from './asking.ts'

const clock = new FixedClock()
/** A gateway at the end of 64 bits of nanoseconds, which takes entries of any age, and adds nothing to them. */
const OPEN = {
  MILLRACE_AGE_MAX: 'off',
  MILLRACE_FUTURE_MAX: '30d',
  MILLRACE_DISCOVER_SERVICE_NAME: 'false',
  MILLRACE_DISCOVER_LEVELS: 'false',
}
const END_MS = 9_223_000_000_000

/** Runs the command against a data folder. */
async function runOn(dataDir: string, args: readonly string[], env = {}) {
  const config = readConfig({ MILLRACE_DATA_DIR: dataDir, ...env })
  const run: RunExport = ({ folder, ...order }) => runExport(config, folder, order)
  let [out, notes] = ['', '']
  const code = await runCli(['export', ...args], [exportCommand(run, () => clock.nowMs())], {
    stdin: (async function* () {})(),
    isInteractive: false,
    out: (text) => {
      out += text
    },
    note: (text) => {
      notes += text
    },
  })
  return { code, out, notes }
}

async function entriesIn(folder: string): Promise<string[]> {
  const texts: string[] = []
  for (const path of globSync(join(folder, 'dt=*/tb=0/*.parquet'))) {
    const handle = await open(path)
    const { size } = await handle.stat()
    const slice = async (start: number, end = size) => {
      const part = new Uint8Array(end - start)
      await handle.read(part, 0, part.length, start)
      return part.buffer
    }
    for await (const group of readParquetEntries({ byteLength: size, slice })) {
      for (const entry of group) texts.push(textOfEntry(entry))
    }
    await handle.close()
  }
  return texts.sort()
}

t.test('what is exported while the gateway runs can be imported elsewhere, and exports the same', async (t) => {
  const folder = testFolder(t, {})
  let round = 0
  await fc.assert(
    fc.asyncProperty(fc.array(plainStreams, { minLength: 1, maxLength: 3 }), async (pushes) => {
      const place = (name: string): string => join(folder, `${name}-${round}`)
      round++
      const store = openStore(t, clock, { dataDir: place('data') })
      const batches = pushes.map((streams, i) =>
        makeBatch(streams, openAdmission(clock, i % 2 === 0 ? 'fake' : 'other')),
      )
      for (const batch of batches) await store.append(batch)
      const wanted = textsOf(...batches)
      t.match(await runOn(place('data'), [place('export')]), { code: 0, notes: '' })
      t.strictSame(await entriesIn(place('export')), wanted)

      const { app, dataDir } = await buildTestApp(t, OPEN, {
        dataDir: place('second'),
        clock: new FixedClock(END_MS),
      })
      const url = await app.listen({ host: '127.0.0.1', port: 0 })
      const files = globSync(join(place('export'), '*/*/*.parquet'))
      t.match(await runAsking(['import', ...files], { url, nowMs: () => 0 }), { code: 0, notes: '' })
      t.match(await runOn(dataDir, [place('again')]), { code: 0, notes: '' })
      t.strictSame(await entriesIn(place('again')), wanted)
      await store.close()
      await app.close()
    }),
    { numRuns: 8 },
  )
})

async function openLogs(t: Test) {
  const folder = testFolder(t, {})
  const dataDir = join(folder, 'data')
  const store = openStore(t, clock, { dataDir })
  const day = 86_400_000_000_000n
  for (const tenant of ['fake', 'other']) {
    const entries = Array.from({ length: 100 }, (_, i) => ({
      ns: clock.nowNs - 3n * day + BigInt(i) * (day / 40n),
      line: `${i % 10 === 0 ? 'secret' : 'line'} ${i}`,
    }))
    const streams = ['shop', 'mail'].map((app) => ({ labels: { app }, entries }))
    await store.append(makeBatch(streams, openAdmission(clock, tenant)))
  }
  return { folder, dataDir, store, target: join(folder, 'export') }
}

const ORDERS: readonly (readonly [name: string, args: readonly string[], entries: number, files: number])[] = [
  ['everything', [], 400, 3],
  ['a tenant', ['--tenant', 'other'], 200, 3],
  ['a selector', ['--query', '{app="shop"}'], 200, 3],
  ['a selector with line filters', ['--query', '{app="shop"} |= "secret" != "50"'], 18, 3],
  ['a time range', ['--from', '2026-11-19T00:00:00Z', '--to', '2026-11-20T00:00:00Z'], 160, 1],
  ['nothing', ['--query', '{app="none"}'], 0, 0],
]

for (const [name, args, entries, files] of ORDERS) {
  t.test(`exports ${name}`, async (t) => {
    const { dataDir, target } = await openLogs(t)
    const ran = await runOn(dataDir, [...args, target])
    t.match(ran, { code: 0, notes: '', out: `${entries} entries in ${files} file` })
    t.equal((await entriesIn(target)).length, entries)
    t.notOk(existsSync(`${target}.partial`))
  })
}

t.test('entries of a waiting delete request are not exported', async (t) => {
  const { dataDir, store, target } = await openLogs(t)
  const order = { id: '1', tenant: 'fake', query: '{app="shop"}', start: 0n, end: clock.nowNs }
  await requestDeletion(store.deletions, clock, order)
  t.match(await runOn(dataDir, [target]), { code: 0, out: /^300 entries/ })
})

t.test('a log that is larger than what is sorted at once becomes several files of a day', async (t) => {
  const { dataDir, store, target } = await openLogs(t)
  const line = 'x'.repeat(200_000)
  const streams = Array.from({ length: 700 }, (_, i) => ({ ns: clock.nowNs - BigInt(i), line: `${i} ${line}` }))
  await store.append(makeBatch([{ labels: { app: 'big' }, entries: streams }], openAdmission(clock)))
  t.match(await runOn(dataDir, ['--query', '{app="big"}', target]), { code: 0, out: /^700 entries in 2 files/ })
})

const FAULTS: readonly (readonly [name: string, args: readonly string[], code: number, notes: RegExp])[] = [
  ['no folder', [], 2, /got 0 folders; give one/],
  ['a folder that exists', ['.'], 2, /'\.' already exists; give the name of a new folder/],
  ['a malformed query', ['--query', '{', 'x'], 1, /parse error/],
  ['an aggregation', ['--query', 'rate({a="b"}[1m])', 'x'], 1, /an export needs a log query/],
  ['a parser', ['--query', '{a="b"} | json', 'x'], 1, /a selector and line filters only; remove json/],
  ['an unknown tenant', ['--tenant', 'nobody', 'x'], 1, /there is no tenant "nobody"; there are 2 others/],
  ['a reversed range', ['--from', '1h', '--to', '2h', 'x'], 2, /--from must be before --to/],
]

for (const [name, args, code, notes] of FAULTS) {
  t.test(`${name} is explained, and nothing is written`, async (t) => {
    const { folder, dataDir } = await openLogs(t)
    const own = args.map((arg) => (arg === 'x' ? join(folder, 'x') : arg))
    t.match(await runOn(dataDir, own), { code, out: '', notes })
    t.strictSame(readdirSync(folder), ['data'])
  })
}

t.test('a folder without logs, and the aws home, are explained', async (t) => {
  const folder = testFolder(t, { empty: {} })
  t.match(await runOn(join(folder, 'empty'), [join(folder, 'x')]), {
    code: 2,
    notes: /has no millrace\.db; set MILLRACE/,
  })
  const env = { MILLRACE_HOME: 'aws', MILLRACE_TABLE: 't', MILLRACE_BUCKET: 'b', MILLRACE_USERS: 'a:b' }
  t.match(await runOn(folder, [join(folder, 'x')], env), { code: 1, notes: /archive is already such files/ })
})

t.test('a file that cannot be imported is named before anything is pushed', async (t) => {
  const folder = testFolder(t, {})
  writeFileSync(join(folder, 'text.parquet'), 'no Parquet, but long enough for a footer')
  const run = (path: string) => runAsking(['import', path], { url: 'http://127.0.0.1:9', nowMs: () => 0 })
  t.match(await run(join(folder, 'text.parquet')), { code: 1, notes: /text\.parquet: it is not a Parquet file/ })
  t.match(await run(join(folder, 'none.parquet')), { code: 2, notes: /none\.parquet cannot be read: ENOENT/ })
  t.match(await run(folder), { code: 2, notes: /cannot be read: it is not a file/ })
})
