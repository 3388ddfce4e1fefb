import t from 'tap'
import { AWS_TRAITS, openAwsStore, RECENT_WINDOW_MS, Services } from '../adapters/aws/opened-store.ts'
import { asSorted, asStored, FixedClock, makeBatch, openAdmission, readAll } from '../support/helper.ts'
import { logStoreContract } from './log-store.ts'
import { A, at, CONTRACT_SETTINGS, type OpenStore, stream } from './opened-store.ts'

const services = await Services.start(t)
const open: OpenStore = (t, clock, settings) => openAwsStore(services, t, clock, settings)

t.test('contract', async (t) => logStoreContract(t, open, AWS_TRAITS))

t.test('logs are read at once, from the queue, and once it is drained', async (t) => {
  const clock = new FixedClock()
  const opened = openAwsStore(services, t, clock, CONTRACT_SETTINGS)
  const streams = [stream(A, ['fresh'], 3600e9 - 5), stream(A, ['late'], -50 * 3600e9), stream({ b: 'b' }, ['other'])]
  await opened.store.append(makeBatch(streams, openAdmission(clock)), 'logs')
  t.same(asSorted(await readAll(opened.store)), asStored(streams))
  await opened.settle()
  t.same(asSorted(await readAll(opened.store)), asStored(streams), 'neither twice')
  clock.ms += RECENT_WINDOW_MS + 300_000
  const store = await opened.reopen()
  t.same(asSorted(await readAll(store)), asStored(streams), 'from the archive alone')
  const range = { tenant: 'fake', matchers: [], start: at(-50 * 3600e9), end: at(-49 * 3600e9) }
  t.same(await store.streams(range), [[{ name: 'app', value: 'a' }]])
})
