import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { tolerantRead } from '../../../src/flows/query/tolerant-read.ts'
import type { LogStore, ReadBlock } from '../../../src/ports/log-store.ts'
import { WHOLE } from '../../contract/opened-store.ts'

const BLOCK = {} as ReadBlock

/** A store that returns a block and then fails. */
function failing(error: Error): LogStore {
  return {
    read: async function* () {
      yield BLOCK
      throw error
    },
  } as unknown as LogStore
}

async function readAll(error: Error, warnings?: string[]): Promise<number> {
  let blocks = 0
  for await (const _ of tolerantRead(failing(error), WHOLE, undefined, warnings)) blocks++
  return blocks
}

const DAMAGE = new GatewayError('store_damaged', 'an object is damaged')

t.test('what cannot be read is a warning, once for each text', async (t) => {
  const warnings: string[] = []
  t.equal(await readAll(DAMAGE, warnings), 1)
  t.equal(await readAll(DAMAGE, warnings), 1)
  t.same(warnings, ['the result is incomplete: an object is damaged'])
})

t.test('without warnings, and for other errors, the read rejects', async (t) => {
  await t.rejects(readAll(DAMAGE), DAMAGE)
  const refusal = new GatewayError('query_refused', 'too much')
  await t.rejects(readAll(refusal, []), refusal)
})
