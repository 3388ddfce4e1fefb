import t from 'tap'
import { AWS_TRAITS, openAwsStore, Services } from '../adapters/aws/opened-store.ts'
import { logStoreContract } from './log-store.ts'
import { logStoreModel } from './log-store-model.ts'
import type { OpenStore } from './opened-store.ts'

const services = await Services.start(t)
const open: OpenStore = (t, clock, settings) => openAwsStore(services, t, clock, { ...settings, path: 'direct' })

t.test('contract', async (t) => logStoreContract(t, open, AWS_TRAITS))
t.test('model', async (t) => logStoreModel(t, open, { numRuns: 6, traits: AWS_TRAITS }))
