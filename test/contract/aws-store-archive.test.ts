import t, { type Test } from 'tap'
import { AWS_TRAITS, openAwsStore, RECENT_WINDOW_MS, Services } from '../adapters/aws/opened-store.ts'
import type { FixedClock } from '../support/helper.ts'
import { logStoreModel } from './log-store-model.ts'
import { testOrder, testReads } from './log-store-reads.ts'
import type { OpenStore } from './opened-store.ts'

const services = await Services.start(t)

/** A store whose recent items are gone once it has settled, so that it reads only the archive. */
const open: OpenStore = (t: Test, clock: FixedClock, settings) => {
  // Objects of late entries have no order of arrival.
  const opened = openAwsStore(services, t, clock, { ...settings, lateAfterMs: 10 * 86_400_000 })
  return {
    ...opened,
    settle: async () => {
      await opened.settle()
      clock.ms += RECENT_WINDOW_MS + 300_000
    },
  }
}

t.test('reads', async (t) => testReads(t, open, AWS_TRAITS))
t.test('order', async (t) => testOrder(t, open, AWS_TRAITS))
t.test('model', async (t) => logStoreModel(t, open, { numRuns: 12, traits: AWS_TRAITS }))
