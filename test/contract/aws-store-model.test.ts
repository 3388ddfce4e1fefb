import t from 'tap'
import { AWS_TRAITS, openAwsStore, Services } from '../adapters/aws/opened-store.ts'
import { logStoreModel } from './log-store-model.ts'

// By itself: the contract's file and this one have each their own time.
const services = await Services.start(t)

t.test('model', async (t) =>
  logStoreModel(t, (t, clock, settings) => openAwsStore(services, t, clock, settings), {
    numRuns: 12,
    traits: AWS_TRAITS,
  }),
)
