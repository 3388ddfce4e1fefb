import t, { type Test } from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import type { LogStore } from '../../src/ports/log-store.ts'
import { openStore } from '../support/helper.ts'
import { Random } from '../support/random.ts'
import { type StormTarget, storm } from './storm.ts'
import { storeTarget } from './storm-targets.ts'

/** A short storm on the embedded store, whose reads also serve as the archive. */
async function run(t: Test, wrap: (target: StormTarget) => StormTarget = (target) => target, store?: LogStore) {
  const target = storeTarget(store ?? openStore(t, SYSTEM_CLOCK), SYSTEM_CLOCK)
  return await storm({
    target: wrap(target),
    random: new Random(1),
    pushes: 5,
    stir: async () => undefined,
    calm: async () => undefined,
    archived: async () => (await target.read(0n)) ?? [],
    wait: () => new Promise(setImmediate),
  })
}

t.test('a correct store has every line after the storm', async (t) => {
  const report = await run(t)
  t.strictSame(report.wrongs, [])
  t.equal(report.pushes, 30)
  t.equal(report.foundLines, report.lines)
  t.equal(report.archivedLines, report.lines)
  t.ok(report.reads > 0)
})

t.test('pushes that are rejected or get no response are retried and stored once', async (t) => {
  const random = new Random(3)
  const report = await run(t, (target) => ({
    ...target,
    async send(push) {
      if (random.chance(0.3)) return false
      const taken = await target.send(push)
      return random.chance(0.3) ? false : taken
    },
  }))
  t.strictSame(report.wrongs, [])
  t.ok(report.retries > 5, `${report.retries} retries`)
})

t.test('a line that is acknowledged and lost is reported', async (t) => {
  const report = await run(t, (target) => ({
    ...target,
    send: async (push) => (push.stream === 'push2-1' ? true : target.send(push)),
  }))
  t.ok(report.wrongCount > 0)
  t.match(report.wrongs[0], /acknowledged and lost: push2/)
})

t.test('a line that is read twice is reported', async (t) => {
  const report = await run(t, (target) => ({
    ...target,
    async read(sinceNs) {
      const lines = (await target.read(sinceNs)) ?? []
      return [...lines, ...lines.slice(0, 1)]
    },
  }))
  t.match(report.wrongs.join('\n'), /stored 2 times/)
})

t.test('a push that is never accepted ends the storm', async (t) => {
  const target = { send: async () => false, read: async () => [] }
  await t.rejects(
    run(t, () => target),
    { message: /was not taken in 500 tries/ },
  )
})

t.test('an answer that no retry mends ends the storm', async (t) => {
  const target = {
    send: () => Promise.reject(new GatewayError('store_damaged', 'block 1 is damaged')),
    read: async () => [],
  }
  await t.rejects(
    run(t, () => target),
    { code: 'store_damaged' },
  )
})
