import t from 'tap'
import { logStoreModel } from '../../contract/log-store-model.ts'
import { AWS_TRAITS, openAwsStore, Services } from './opened-store.ts'

// By itself: the contract's file and this one have each their own time.
const services = await Services.start(t)

t.test('model', async (t) =>
  logStoreModel(t, (t, clock, settings) => openAwsStore(services, t, clock, settings), {
    numRuns: 12,
    traits: AWS_TRAITS,
  }),
)
