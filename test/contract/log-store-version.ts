/** The contract of a LogStore on versions of a time range. */

import type { Test } from 'tap'
import type { OpenStore } from './opened-store.ts'
import { A, at, begin, type OpenedStore, stream } from './opened-store.ts'

const HOUR = 3600_000_000_000n

function versionOf({ store }: Pick<OpenedStore, 'store'>, tenant = 'fake', from = 0n, to = HOUR): string | undefined {
  return store.version({ tenant, start: at(from), end: at(to) })
}

export function testVersion(t: Test, open: OpenStore): void {
  t.test('a version changes when a push in its time range is stored', async (t) => {
    const opened = begin(t, open)
    const seen = new Set([versionOf(opened)])
    for (const line of ['one', 'two', 'three']) {
      await opened.push([stream(A, [line])])
      // A store without versions never claims that nothing has changed.
      const version = versionOf(opened)
      t.ok(version === undefined || !seen.has(version), line)
      seen.add(version)
    }
  })

  t.test('a version does not change if nothing is stored, or if other tenants store', async (t) => {
    const opened = begin(t, open)
    await opened.push([stream(A, ['one'])])
    const version = versionOf(opened)
    await opened.push([stream(A, ['other'])], 'other')
    t.equal(versionOf(opened), version)
    t.equal(versionOf(opened, 'nobody'), versionOf(opened, 'nobody'))
  })

  t.test('a late line changes the version of its time', async (t) => {
    const opened = begin(t, open)
    await opened.push([stream(A, ['one'])])
    const version = versionOf(opened, 'fake', -48n * HOUR, -47n * HOUR)
    await opened.push([{ labels: A, entries: [{ ns: at(-48n * HOUR + 5n), line: 'late' }] }])
    const after = versionOf(opened, 'fake', -48n * HOUR, -47n * HOUR)
    t.ok(after === undefined || after !== version)
  })
}
