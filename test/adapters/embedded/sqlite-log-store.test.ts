import t, { type Test } from 'tap'
import { SqliteLogStore } from '../../../src/adapters/embedded/sqlite-log-store.ts'
import { type ContractSettings, logStoreContract, type OpenedStore } from '../../contract/log-store.ts'
import { logStoreModel } from '../../contract/log-store-model.ts'
import { type FixedClock, RecordedEvents, STORE_SETTINGS } from '../../helper.ts'

const root = t.testdir()
let folders = 0

function open(t: Test, clock: FixedClock, settings: ContractSettings): OpenedStore {
  const dataDir = `${root}/${folders++}`
  const openOne = (): SqliteLogStore =>
    new SqliteLogStore({ ...STORE_SETTINGS, dataDir, ...settings }, clock, new RecordedEvents())
  let store = openOne()
  t.teardown(() => store.close())
  return {
    store,
    reopen: async () => {
      await store.close()
      store = openOne()
      return store
    },
    settle: () => store.maintain(),
  }
}

t.test('contract', async (t) => logStoreContract(t, open))
t.test('model', async (t) => logStoreModel(t, open))
