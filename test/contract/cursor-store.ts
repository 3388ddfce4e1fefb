/** The contract of every CursorStore: `cursorContract` runs against each implementation. */

import type { Test } from 'tap'
import type { SourceCursor } from '../../src/domain/sources/source-cursor.ts'
import type { CursorStore } from '../../src/ports/sources.ts'

export interface OpenedCursors {
  readonly cursors: CursorStore
  /** The same state as seen by another process. */
  reopen(): CursorStore
}

export type OpenCursors = (t: Test) => OpenedCursors

const PROJECT = 'abcdefabcdefabcdefabcdef'
const NOW = 1_795_262_400_000
const CURSOR: SourceCursor = {
  lastTsMs: NOW,
  sweptMs: NOW - 300_000,
  checkedMs: NOW + 5,
  ids: new Map([
    ['507f1f77bcf86cd799439011', NOW],
    ['__proto__', NOW - 7],
    ['an "id" with\nspaces', NOW - 8],
  ]),
  idsFromMs: NOW - 300_000,
}
const LEASE = { holder: 'run-1', untilMs: NOW + 60_000 }
const OTHER = { holder: 'run-2', untilMs: NOW + 70_000 }

export function cursorContract(t: Test, open: OpenCursors): void {
  t.test('knows nothing of a project before its first run', async (t) => {
    const { cursors } = open(t)
    t.match(await cursors.load(PROJECT), { cursor: undefined, lease: undefined })
  })

  t.test('loads what was saved, also in another process', async (t) => {
    const { cursors, reopen } = open(t)
    const revision = await cursors.claim(PROJECT, await cursors.load(PROJECT), LEASE)
    t.match(await reopen().load(PROJECT), { cursor: undefined, lease: LEASE })
    const next = await cursors.save(PROJECT, revision, CURSOR, LEASE)
    t.same(await reopen().load(PROJECT), { cursor: CURSOR, lease: LEASE, revision: next })
    const last = await cursors.save(PROJECT, next, { ...CURSOR, walk: { resume: 'a', topMs: NOW } }, undefined)
    const cursor = { ...CURSOR, walk: { resume: 'a', topMs: NOW } }
    t.same(await reopen().load(PROJECT), { cursor, lease: undefined, revision: last })
  })

  t.test('of runs that loaded the same revision, one gets the lease', async (t) => {
    const { cursors, reopen } = open(t)
    const others = reopen()
    const loaded = await cursors.load(PROJECT)
    const same = await others.load(PROJECT)
    const revision = await cursors.claim(PROJECT, loaded, LEASE)
    await t.rejects(others.claim(PROJECT, same, OTHER), { code: 'state_conflict' })
    await cursors.save(PROJECT, revision, CURSOR, undefined)
    t.same((await others.load(PROJECT)).cursor, CURSOR, 'which then saves as if it were alone')
  })

  t.test('a run that loaded before another one saved does not get the lease', async (t) => {
    const { cursors, reopen } = open(t)
    const others = reopen()
    const stale = await others.load(PROJECT)
    await cursors.save(PROJECT, await cursors.claim(PROJECT, await cursors.load(PROJECT), LEASE), CURSOR, undefined)
    await t.rejects(others.claim(PROJECT, stale, OTHER), { code: 'state_conflict' })
    const after = await cursors.load(PROJECT)
    t.ok(
      after.lease !== undefined || after.cursor !== undefined,
      'the next run finds the cursor, or a lease that makes it look',
    )
  })

  t.test('an expired lease can be claimed', async (t) => {
    const { cursors, reopen } = open(t)
    await cursors.claim(PROJECT, await cursors.load(PROJECT), LEASE)
    const others = reopen()
    const revision = await others.claim(PROJECT, await others.load(PROJECT), OTHER)
    await others.save(PROJECT, revision, CURSOR, undefined)
    t.match(await cursors.load(PROJECT), { lease: undefined })
  })

  t.test('projects do not see each other', async (t) => {
    const { cursors } = open(t)
    await cursors.save(PROJECT, await cursors.claim(PROJECT, await cursors.load(PROJECT), LEASE), CURSOR, undefined)
    t.match(await cursors.load('bbbbbbbbbbbbbbbbbbbbbbbb'), { cursor: undefined, lease: undefined })
  })
}
