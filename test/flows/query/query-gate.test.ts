import t from 'tap'
import { type Leave, QueryGate } from '../../../src/flows/query/query-gate.ts'

const NEVER = new AbortController().signal

/** Enters, and records the name when admitted. */
function enterAs(gate: QueryGate, came: string[], tenant: string, name = tenant, signal = NEVER): Promise<Leave> {
  return gate.enter(tenant, signal).then((leave) => {
    came.push(name)
    return leave
  })
}

t.test('the number of concurrent queries is limited, and the end of one admits the next', async (t) => {
  const gate = new QueryGate({ runningMax: 2, tenantRunningMax: 9, waitingMax: 10 })
  const came: string[] = []
  const [first] = await Promise.all([enterAs(gate, came, 'a', '1'), enterAs(gate, came, 'a', '2')])
  const third = enterAs(gate, came, 'a', '3')
  const fourth = enterAs(gate, came, 'a', '4')
  t.match(gate, { running: 2, waiting: 2 })
  first()
  first()
  const leaveThird = await third
  t.strictSame(came, ['1', '2', '3'])
  t.match(gate, { running: 2, waiting: 1 })
  leaveThird()
  const leaveFourth = await fourth
  leaveFourth()
  t.match(gate, { running: 1, waiting: 0 })
})

t.test('waiting tenants take turns, however many queries each has', async (t) => {
  const gate = new QueryGate({ runningMax: 1, tenantRunningMax: 9, waitingMax: 10 })
  const came: string[] = []
  const first = await enterAs(gate, came, 'a', 'a1')
  const all = ['a2', 'a3', 'a4', 'b1', 'b2', '__proto__'].map((name) =>
    enterAs(gate, came, name.replace(/\d/, ''), name).then((leave) => leave()),
  )
  first()
  await Promise.all(all)
  t.strictSame(came, ['a1', 'a2', 'b1', '__proto__', 'a3', 'b2', 'a4'])
  t.match(gate, { running: 0, waiting: 0 })
})

t.test('a tenant has a limit on concurrent queries, and the other slots are for others', async (t) => {
  const gate = new QueryGate({ runningMax: 3, tenantRunningMax: 2, waitingMax: 10 })
  const came: string[] = []
  const [first] = await Promise.all([enterAs(gate, came, 'a', 'a1'), enterAs(gate, came, 'a', 'a2')])
  const third = enterAs(gate, came, 'a', 'a3')
  const other = await enterAs(gate, came, 'b')
  t.strictSame(came, ['a1', 'a2', 'b'])
  other()
  t.match(gate, { running: 2, waiting: 1 })
  first()
  const leave = await third
  leave()
  t.match(gate, { running: 1, waiting: 0 })
})

t.test('each tenant has its own limit on waiting queries', async (t) => {
  const gate = new QueryGate({ runningMax: 1, tenantRunningMax: 9, waitingMax: 1 })
  const leave = await gate.enter('a', NEVER)
  const waiting = [gate.enter('a', NEVER), gate.enter('b', NEVER)]
  await t.rejects(gate.enter('a', NEVER), { code: 'rate_limited', message: /too many outstanding requests/ })
  leave()
  for (const each of waiting) (await each)()
  t.match(gate, { running: 0, waiting: 0 })
})

t.test('the number of waiting queries of all tenants is bounded', async (t) => {
  const gate = new QueryGate({ runningMax: 1, tenantRunningMax: 9, waitingMax: 10 })
  const abort = new AbortController()
  await gate.enter('a', NEVER)
  const waiting = Array.from({ length: 1000 }, (_, i) => gate.enter(`tenant-${i}`, abort.signal))
  await t.rejects(gate.enter('another', NEVER), { code: 'overloaded' })
  abort.abort(new Error('over'))
  await Promise.allSettled(waiting)
  t.match(gate, { running: 1, waiting: 0 })
})

t.test('a query aborted while waiting frees its place', async (t) => {
  const gate = new QueryGate({ runningMax: 1, tenantRunningMax: 9, waitingMax: 10 })
  const came: string[] = []
  const first = await enterAs(gate, came, 'a', '1')
  const abort = new AbortController()
  const second = enterAs(gate, came, 'a', '2', abort.signal)
  const third = enterAs(gate, came, 'a', '3')
  abort.abort(new Error('gone'))
  await t.rejects(second, /gone/)
  first()
  const leave = await third
  t.strictSame(came, ['1', '3'])
  leave()
  await t.rejects(gate.enter('a', AbortSignal.abort(new Error('gone before'))), /gone before/)
  t.match(gate, { running: 0, waiting: 0 })
})
