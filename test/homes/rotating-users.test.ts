import t from 'tap'
import type { User } from '../../src/config/users.ts'
import { RotatingUsers } from '../../src/homes/rotating-users.ts'
import { FixedClock } from '../support/helper.ts'

const MINUTE = 60_000

/** Users whose names are the parameter's text, and a parameter that a test sets. */
function makeUsers(random = 0) {
  const clock = new FixedClock()
  const parameter = { text: 'ann' as string | Error, fetches: 0 }
  const told: string[] = []
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
      usersChanged: (users) => told.push(`changed ${users}`),
      usersNotRefreshed: (cause) => told.push(String(cause)),
    },
  })
  const names = () => source.users().map(({ name }) => name)
  return { clock, parameter, told, source, names }
}

t.test('are looked up at once when somebody is refused', async (t) => {
  const { parameter, told, source, names } = makeUsers()
  parameter.text = 'ann,bob'
  t.same(names(), ['ann'])
  await source.refresh()
  t.same(names(), ['ann', 'bob'])
  t.same(told, ['changed 2'])
})

t.test('are looked up once for all who are refused together, and once in ten seconds', async (t) => {
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

t.test('are looked up when they are due, beside whoever asks', async (t) => {
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

t.test('are due earlier by chance, so that containers do not look together', async (t) => {
  const { clock, parameter, names } = makeUsers(1)
  clock.ms += 4 * MINUTE
  names()
  t.equal(parameter.fetches, 1)
})

t.test('stay the same array while the parameter does', async (t) => {
  const { clock, source, told } = makeUsers()
  const before = source.users()
  await source.refresh()
  clock.ms += MINUTE
  await source.refresh()
  t.equal(source.users(), before)
  t.same(told, [])
})

for (const [name, text] of [
  ['the parameter cannot be had', new Error('no users')],
  ['the parameter holds no users', '?'],
] as const) {
  t.test(`hold on when ${name}, and are looked up again`, async (t) => {
    const { clock, parameter, told, source, names } = makeUsers()
    parameter.text = text
    await source.refresh()
    t.same(names(), ['ann'])
    t.same(told, ['Error: no users'])
    parameter.text = 'bob'
    clock.ms += 10_000
    await source.refresh()
    t.same(names(), ['bob'])
  })
}
