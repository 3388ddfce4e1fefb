import t from 'tap'
import type { User } from '../../src/config/users.ts'
import { RotatingUsers } from '../../src/homes/rotating-users.ts'
import { FixedClock } from '../support/helper.ts'

const MINUTE = 60_000

/** Users whose names are the text of the parameter, which a test sets. */
function makeUsers(random = 0) {
  const clock = new FixedClock()
  const parameter = { text: 'ann' as string | Error, fetches: 0 }
  const events: string[] = []
  const parse = (text: string): User[] => {
    if (text === '?') throw new Error('no users')
    return text.split(',').map((name) => ({ name, password: 'pw', tenant: undefined }))
  }
  const source = new RotatingUsers({
    text: 'ann',
    initial: parse('ann'),
    fetch: async () => {
      parameter.fetches++
      if (parameter.text instanceof Error) throw parameter.text
      return parameter.text
    },
    parse,
    clock,
    random: () => random,
    refreshMs: 5 * MINUTE,
    events: {
      usersChanged: (users) => events.push(`changed ${users}`),
      usersNotRefreshed: (cause) => events.push(String(cause)),
    },
  })
  const names = () => source.users().map(({ name }) => name)
  return { clock, parameter, events, source, names }
}

t.test('are looked up immediately after a rejected password', async (t) => {
  const { parameter, events, source, names } = makeUsers()
  parameter.text = 'ann,bob'
  t.same(names(), ['ann'])
  await source.refresh()
  t.same(names(), ['ann', 'bob'])
  t.same(events, ['changed 2'])
})

t.test('are looked up once for concurrent rejections, and at most once in ten seconds', async (t) => {
  const { clock, parameter, source } = makeUsers()
  await Promise.all(Array.from({ length: 50 }, () => source.refresh()))
  t.equal(parameter.fetches, 1)
  clock.ms += 9_999
  await source.refresh()
  t.equal(parameter.fetches, 1)
  clock.ms += 1
  await source.refresh()
  t.equal(parameter.fetches, 2)
})

t.test('are looked up in the background when due', async (t) => {
  const { clock, parameter, source, names } = makeUsers()
  parameter.text = 'bob'
  clock.ms += 5 * MINUTE - 1
  t.same(names(), ['ann'])
  t.equal(parameter.fetches, 0)
  clock.ms += 1
  t.same(names(), ['ann'])
  t.equal(parameter.fetches, 1)
  await source.refresh()
  t.same(names(), ['bob'])
  t.equal(parameter.fetches, 1)
})

t.test('are due earlier at random, so that containers do not look them up together', async (t) => {
  const { clock, parameter, names } = makeUsers(1)
  clock.ms += 4 * MINUTE
  names()
  t.equal(parameter.fetches, 1)
})

t.test('stay the same array while the parameter is unchanged', async (t) => {
  const { clock, source, events } = makeUsers()
  const before = source.users()
  await source.refresh()
  clock.ms += MINUTE
  await source.refresh()
  t.equal(source.users(), before)
  t.same(events, [])
})

for (const [name, text] of [
  ['the parameter cannot be fetched', new Error('no users')],
  ['the parameter has invalid users', '?'],
] as const) {
  t.test(`are kept when ${name}, and looked up again`, async (t) => {
    const { clock, parameter, events, source, names } = makeUsers()
    parameter.text = text
    await source.refresh()
    t.same(names(), ['ann'])
    t.same(events, ['Error: no users'])
    parameter.text = 'bob'
    clock.ms += 10_000
    await source.refresh()
    t.same(names(), ['bob'])
  })
}
