import t from 'tap'
import { SsmCursors } from '../../../../src/adapters/aws/poller/ssm-cursors.ts'
import type { SourceCursor } from '../../../../src/domain/sources/source-cursor.ts'
import { FakeSsm } from '../../../cognigy/fake-ssm.ts'
import { cursorContract } from '../../../contract/cursor-store.ts'

const PROJECT = 'abcdefabcdefabcdefabcdef'
const OTHER = 'bbbbbbbbbbbbbbbbbbbbbbbb'
const NOW = 1_795_262_400_000
const LEASE = { holder: 'run-1', untilMs: NOW }

const openOn = (ssm: FakeSsm, isShared = false) =>
  new SsmCursors({
    client: ssm.client,
    names: { lastTs: '/cognigy-last-ts-ms', cursor: '/cognigy-cursor', sequenceToken: '/cognigy-last-seq-token' },
    isShared,
    overlapMs: 300_000,
    doubtfulUntilMs: () => NOW + 300_000,
  })

const save = async (cursors: SsmCursors, cursor: SourceCursor, project = PROJECT) =>
  cursors.save(project, await cursors.claim(project, await cursors.load(project), LEASE), cursor, undefined)

const cursorOf = (ids: number, lastTsMs = NOW): SourceCursor => ({
  lastTsMs,
  sweptMs: NOW - 300_000,
  checkedMs: NOW,
  ids: new Map(
    Array.from({ length: ids }, (_, i) => [
      `${(0x69200000 + i).toString(16)}${((i * 2654435761) >>> 0).toString(16).padStart(16, '0')}`,
      NOW - i * 10,
    ]),
  ),
  idsFromMs: NOW - 300_000,
})

for (const isShared of [false, true]) {
  t.test(isShared ? 'with several projects' : 'with one project', async (t) => {
    cursorContract(t, () => {
      const ssm = new FakeSsm()
      return { cursors: openOn(ssm, isShared), reopen: () => openOn(ssm, isShared) }
    })
  })
}

t.test(
  'the cursor of a busy source fits in a standard parameter, and marks from where its ids are complete',
  async (t) => {
    const ssm = new FakeSsm()
    await save(openOn(ssm), cursorOf(5000))
    const { cursor } = await openOn(ssm).load(PROJECT)
    t.ok((cursor?.ids.size ?? 0) > 100, `${cursor?.ids.size} ids`)
    const known = cursorOf(5000).ids
    const expected = [...known].filter(([, ms]) => ms >= (cursor?.idsFromMs ?? 0))
    t.same([...(cursor?.ids ?? [])].sort(), expected.sort(), 'all ids from then on, and none before')
    t.equal(cursor?.lastTsMs, NOW)
  },
)

t.test('the process that saved last has all ids', async (t) => {
  const ssm = new FakeSsm()
  const cursors = openOn(ssm)
  await save(cursors, cursorOf(5000))
  t.same((await cursors.load(PROJECT)).cursor, cursorOf(5000))
  await save(openOn(ssm), cursorOf(7))
  t.same((await cursors.load(PROJECT)).cursor, cursorOf(7), 'until another process saves')
})

t.test('a run with new entries costs one read and three writes, without new entries two writes', async (t) => {
  const ssm = new FakeSsm()
  const cursors = openOn(ssm)
  await save(cursors, cursorOf(3))
  t.same(ssm.calls, ['GetParameters', 'PutParameter', 'PutParameter', 'PutParameter'])
  t.equal(ssm.parameters.get('/cognigy-last-ts-ms')?.Value, String(NOW))
  ssm.calls.length = 0
  await save(cursors, cursorOf(4))
  t.same(ssm.calls, ['GetParameters', 'PutParameter', 'PutParameter'])
})

t.test('starts at the time left by another poller, and treats entries since then as doubtful', async (t) => {
  const ssm = new FakeSsm()
  ssm.parameters.set('/cognigy-last-ts-ms', { Value: String(NOW), Version: 7 })
  t.match(await openOn(ssm).load(PROJECT), {
    revision: 0,
    lease: undefined,
    cursor: { lastTsMs: NOW, sweptMs: NOW - 300_000, checkedMs: NOW, idsFromMs: NOW + 300_000 },
  })
  ssm.parameters.set('/cognigy-last-ts-ms', { Value: 'none', Version: 8 })
  t.match(await openOn(ssm).load(PROJECT), { cursor: undefined })
})

t.test('a single project keeps its cursor when others are added', async (t) => {
  const ssm = new FakeSsm()
  await save(openOn(ssm), cursorOf(3))
  const shared = openOn(ssm, true)
  t.same((await shared.load(PROJECT)).cursor, cursorOf(3))
  t.match(await shared.load(OTHER), { cursor: undefined })
  await save(shared, cursorOf(4), PROJECT)
  t.same((await openOn(ssm, true).load(PROJECT)).cursor, cursorOf(4))
})

t.test('the cursor of another project is ignored', async (t) => {
  const ssm = new FakeSsm()
  await save(openOn(ssm), cursorOf(3), OTHER)
  const cursors = openOn(ssm)
  t.match(await cursors.load(PROJECT), { cursor: undefined, lease: undefined })
  await save(cursors, cursorOf(1), PROJECT)
  t.same((await cursors.load(PROJECT)).cursor, cursorOf(1))
})

t.test('stores the sequence token, read with the cursor', async (t) => {
  const ssm = new FakeSsm()
  await openOn(ssm).saveToken(PROJECT, 'token-1')
  const cursors = openOn(ssm)
  t.equal(await cursors.loadToken(PROJECT), undefined)
  await cursors.load(PROJECT)
  t.equal(await cursors.loadToken(PROJECT), 'token-1')
  t.equal(ssm.parameters.get('/cognigy-last-seq-token')?.Value, 'token-1')
})

t.test('an unreadable record and SSM failures are errors', async (t) => {
  const ssm = new FakeSsm()
  for (const value of [
    '',
    '{',
    '[]',
    '7',
    'null',
    '{"project":7}',
    `{"project":"${PROJECT}","cursor":{"version":2}}`,
  ]) {
    ssm.parameters.set('/cognigy-cursor', { Value: value, Version: 1 })
    await t.rejects(openOn(ssm).load(PROJECT), { code: 'store_damaged' }, value)
  }
  ssm.fault = () => {
    throw Object.assign(new Error('arn of something secret'), { name: 'AccessDeniedException' })
  }
  const error = await openOn(ssm)
    .load(PROJECT)
    .catch((cause) => cause)
  t.match(error, { code: 'store_unavailable', message: /AccessDeniedException/ })
  t.notMatch(error.message, /secret/)
})
