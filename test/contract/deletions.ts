/** The contract of every DeletionStore: `deletionContract` runs against each implementation. */

import type { Test } from 'tap'
import type { StreamRun } from '../../src/domain/entries/block.ts'
import { equalityMatcher } from '../../src/domain/selector.ts'
import { NS_MAX, NS_MIN } from '../../src/domain/time.ts'
import type { Deletion, DeletionStore, KeepRuns, LogStore } from '../../src/ports/log-store.ts'
import { FixedClock, makeBatch, openAdmission, readAll } from '../support/helper.ts'

export interface OpenedDeletions {
  readonly store: LogStore
  readonly deletions: DeletionStore
  /** Closes the store and opens the same data again. */
  reopen(): Promise<OpenedDeletions>
  /** Runs the store's background work now. */
  settle(): Promise<void>
}

export type OpenDeletions = (t: Test, clock: FixedClock) => OpenedDeletions

const DELETION: Deletion = {
  id: 'a1',
  tenant: 'fake',
  query: '{app="shop"} |= "\u{1f511}"',
  start: NS_MIN,
  end: 1_795_262_400_000_000_001n,
  createdMs: 1_795_262_400_123,
  isProcessed: false,
}

/** Keeps the entries whose line ends with an even digit. */
const KEEP_EVEN: KeepRuns = (block, run) => {
  const kept: StreamRun[] = []
  for (let i = run.start; i < run.end; i++) {
    const last = block.text[(block.lineEnds[i] as number) - 1] as number
    if (last % 2 === 0) kept.push({ ...run, start: i, end: i + 1 })
  }
  return kept
}
const KEEP_NONE: KeepRuns = () => []

export function deletionContract(t: Test, open: OpenDeletions): void {
  t.test('requests are kept, changed and removed, across a restart', async (t) => testRequests(t, open))
  t.test('erase removes only the dropped entries', async (t) => testErase(t, open))
  t.test('erase reaches blocks that are joined', async (t) => testJoined(t, open))
  t.test('erase stops on request, and continues in another call', async (t) => testStop(t, open))
}

async function testRequests(t: Test, open: OpenDeletions): Promise<void> {
  const { deletions, reopen } = open(t, new FixedClock())
  t.strictSame(deletions.list(), [])
  const other = { ...DELETION, tenant: 'other' }
  await deletions.add(DELETION)
  await deletions.add({ ...DELETION, id: 'a2' })
  await deletions.add(other)
  t.ok(await deletions.setProcessed('fake', 'a1'))
  t.ok(await deletions.remove('fake', 'a2'))
  t.notOk(await deletions.remove('fake', 'a2'), 'it is gone already')
  t.notOk(await deletions.setProcessed('fake', 'a2'))
  const kept = [{ ...DELETION, isProcessed: true }, other]
  t.strictSame(deletions.list(), kept)
  t.strictSame((await reopen()).deletions.list(), kept)
}

async function fill(store: LogStore, clock: FixedClock, tenant = 'fake'): Promise<void> {
  const entries = (app: string) =>
    Array.from({ length: 4 }, (_, i) => ({ ns: clock.nowNs + BigInt(i), line: `${app}${i}` }))
  const streams = ['shop', 'mail'].map((app) => ({ labels: { app }, entries: entries(app) }))
  await store.append(makeBatch(streams, openAdmission(clock, tenant)))
}

const linesOf = async (store: LogStore, tenant = 'fake'): Promise<string[]> =>
  (await readAll(store, { tenant })).map(({ line }) => line).sort()

const SHOP = [equalityMatcher('app', '=', 'shop')]

async function testErase(t: Test, open: OpenDeletions): Promise<void> {
  const clock = new FixedClock()
  const { store, deletions, reopen } = open(t, clock)
  await fill(store, clock)
  await fill(store, clock, 'other')
  const range = { tenant: 'fake', matchers: SHOP, start: NS_MIN, end: NS_MAX }
  const before = store.figures()
  t.equal(await deletions.erase({ ...range, start: clock.nowNs + 10n }, KEEP_NONE), 0, 'nothing lies in the range')
  t.equal(await deletions.erase({ ...range, tenant: 'nobody' }, KEEP_NONE), 0)
  t.equal(await deletions.erase(range, KEEP_EVEN), 2)
  const mail = ['mail0', 'mail1', 'mail2', 'mail3']
  t.equal((await linesOf(store)).length, 6)
  t.equal(store.figures().entries, before.entries - 2)
  await deletions.erase(range, KEEP_NONE)
  t.strictSame(await linesOf(store), mail)
  t.equal((await linesOf(store, 'other')).length, 8, 'another tenant keeps its own')
  await deletions.erase({ ...range, matchers: [] }, KEEP_NONE)
  t.strictSame(await linesOf(store), [], 'a block may be left with nothing')
  const again = await reopen()
  t.strictSame(await linesOf(again.store), [])
  t.equal((await linesOf(again.store, 'other')).length, 8)
}

async function testJoined(t: Test, open: OpenDeletions): Promise<void> {
  const clock = new FixedClock()
  const { store, deletions, settle } = open(t, clock)
  for (let i = 0; i < 20; i++) {
    await fill(store, clock)
    clock.ms += 1000
  }
  const range = { tenant: 'fake', matchers: SHOP, start: NS_MIN, end: NS_MAX }
  const [erased] = await Promise.all([deletions.erase(range, KEEP_NONE), settle()])
  t.equal(erased, 80)
  await settle()
  t.strictSame(new Set((await linesOf(store)).map((line) => line.slice(0, 4))), new Set(['mail']))
}

async function testStop(t: Test, open: OpenDeletions): Promise<void> {
  const clock = new FixedClock()
  const { store, deletions } = open(t, clock)
  for (let i = 0; i < 3; i++) {
    await fill(store, clock)
    clock.ms += 1000
  }
  const range = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX }
  let asked = 0
  t.equal(await deletions.erase(range, KEEP_NONE, () => asked++ > 0), 8)
  t.equal((await linesOf(store)).length, 16)
  t.equal(await deletions.erase(range, KEEP_NONE), 16)
}
