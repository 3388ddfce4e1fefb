import t from 'tap'
import type { LineCount } from '../../../src/domain/incidents/incident.ts'
import { countAppends, PushCounter } from '../../../src/flows/incidents/count-pushes.ts'
import type { CountRecord } from '../../../src/ports/incidents.ts'
import { HASH } from '../../contract/incident-store.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../../support/helper.ts'
import { RULES } from './incident-flow.ts'

const clock = new FixedClock()

function open(record: (counts: CountRecord) => Promise<unknown>) {
  const failures: boolean[] = []
  const onFailure = (_cause: unknown, isDropped: boolean): void => void failures.push(isDropped)
  const counter = new PushCounter({ rules: RULES, hash: HASH, clock, record, onFailure })
  return { counter, failures }
}

function batch(lines: readonly string[], ns = clock.nowNs) {
  const entries = lines.map((line, i) => ({ ns: ns + BigInt(i), line }))
  return makeBatch([{ labels: { service_name: 'shop' }, entries }], { ...openAdmission(clock), discoverLevels: true })
}

const summary = ({ counts }: CountRecord) => counts.map(({ title, count }: LineCount) => `${title} ${count}`)

t.test('a push is one record, by kind; a push without errors has none', async (t) => {
  const records: CountRecord[] = []
  const { counter } = open(async (record) => records.push(record))
  await counter.count(batch(['ERROR: disk 1', 'INFO: fine', 'ERROR: disk 2', 'ERROR: net']))
  await counter.count(batch(['INFO: fine']))
  t.same(records.map(summary), [['shop: ERROR: disk <n> 2', 'shop: ERROR: net 1']])
})

t.test('a retried push has the same record name, another push has another', async (t) => {
  const ids: (string | undefined)[] = []
  const { counter } = open(async ({ deliveryId }) => ids.push(deliveryId))
  const lines = ['ERROR: disk 1', 'ERROR: net']
  await counter.count(batch(lines))
  await counter.count(batch(lines))
  await counter.count(batch(lines, clock.nowNs + 1n))
  await counter.count(batch(['ERROR: disk 1']))
  await counter.count(batch(['INFO: what counts names it', ...lines], clock.nowNs - 1n))
  t.equal(ids[0], ids[1])
  t.equal(ids[0], ids[4])
  t.equal(new Set(ids).size, 3)
})

t.test('counts that could not be recorded go with the next push, and are bounded', async (t) => {
  const records: CountRecord[] = []
  let isDown = true
  const { counter, failures } = open(async (record) => {
    if (isDown) throw new Error('down')
    records.push(record)
  })
  await counter.count(batch(['ERROR: disk 1']))
  isDown = false
  await counter.count(batch(['INFO: fine']))
  t.same(records.map(summary), [['shop: ERROR: disk <n> 1']])
  isDown = true
  for (let i = 0; i < 150; i++) await counter.count(batch([`ERROR: disk ${i}`]))
  t.ok(failures.includes(true), 'what is dropped is reported')
  isDown = false
  await counter.count(batch(['INFO: fine']))
  t.equal(records.length, 101)
})

t.test('an append is answered when its counts are written, also when it fails', async (t) => {
  const store = openStore(t, clock)
  const steps: string[] = []
  const counting = {
    count: async () => {
      await new Promise((resolve) => setImmediate(resolve))
      steps.push('counted')
    },
  }
  const counted = countAppends(store, counting)
  t.match(await counted.append(batch(['ERROR: disk'])), { stored: 1 })
  steps.push('answered')
  const failing = { ...counted, append: () => Promise.reject(new Error('no room')) }
  await t.rejects(countAppends(failing, counting).append(batch(['ERROR: disk'])), /no room/)
  t.same(steps, ['counted', 'answered', 'counted'])
  t.equal(counted.figures().entries, 1)
  t.equal(counted.trouble(), undefined)
})
