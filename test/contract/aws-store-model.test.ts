import t from 'tap'
import { AWS_TRAITS, openAwsStore, Services } from '../adapters/aws/opened-store.ts'
import { logStoreModel } from './log-store-model.ts'

// A separate file, so that the contract and the model each have their own test timeout.
const services = await Services.start(t)

t.test('model', async (t) =>
  logStoreModel(t, (t, clock, settings) => openAwsStore(services, t, clock, settings), {
    numRuns: 12,
    traits: AWS_TRAITS,
  }),
)
