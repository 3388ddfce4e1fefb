/** The contract of every LogStore: `logStoreContract` runs against each implementation. */

import type { Test } from 'tap'
import { testDuplicates, testIds } from './log-store-duplicates.ts'
import { testLife } from './log-store-life.ts'
import { testOrder, testReads } from './log-store-reads.ts'
import { testSelection } from './log-store-selection.ts'
import { testVersion } from './log-store-version.ts'
import { ALL_TRAITS, type OpenStore } from './opened-store.ts'

export function logStoreContract(t: Test, open: OpenStore, traits = ALL_TRAITS): void {
  t.test('append and read', async (t) => testReads(t, open, traits))
  t.test('order', async (t) => testOrder(t, open, traits))
  t.test('duplicates', async (t) => testDuplicates(t, open, traits))
  t.test('ids', async (t) => testIds(t, open))
  t.test('selection', async (t) => testSelection(t, open, traits))
  t.test('version', async (t) => testVersion(t, open))
  t.test('life', async (t) => testLife(t, open, traits))
}
