import { scryptSync } from 'node:crypto'
import t from 'tap'
import type { User, UserSource } from '../../../../src/config/users.ts'
import { formatPasswordHash } from '../../../../src/domain/password-hash.ts'
import { PasswordChecker } from '../../../../src/transport/http/auth/password-checker.ts'

const COST = { n: 1024, r: 8, p: 1 }

function user(name: string, password: string): User {
  return { name, password, tenant: undefined }
}

function fixed(...users: User[]): UserSource {
  return { users: () => users }
}

function hash(password: string, cost = COST): string {
  const salt = Buffer.alloc(16, password.length)
  const computed = scryptSync(password, salt, 32, { N: cost.n, r: cost.r, p: cost.p })
  return formatPasswordHash({ ...cost, salt: salt.toString('base64'), hash: computed.toString('base64') })
}

t.test('computes no hash for a password that was right before', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', hash('pw'))))
  for (let i = 0; i < 5; i++) t.match(await checker.check('ann', 'pw'), { name: 'ann' })
  t.equal(checker.scrypts, 1)
})

t.test('forgets nothing right when a wrong password comes between', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', hash('pw'))))
  await checker.check('ann', 'pw')
  t.equal(await checker.check('ann', 'no'), undefined)
  t.match(await checker.check('ann', 'pw'), { name: 'ann' })
  t.equal(checker.scrypts, 2)
})

t.test('computes one hash for a burst of the same password', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', hash('pw'))))
  const users = await Promise.all(Array.from({ length: 100 }, () => checker.check('ann', 'pw')))
  t.equal(users.filter((found) => found?.name === 'ann').length, 100)
  t.equal(checker.scrypts, 1)
})

t.test(
  'does the same work for an unknown name, a wrong password, and a plain password among hashed ones',
  async (t) => {
    const checker = new PasswordChecker(fixed(user('ann', hash('pw')), user('bob', 'plain')))
    for (const [name, password] of [
      ['eve', 'pw'],
      ['ann', 'no'],
      ['bob', 'no'],
      ['bob', 'plain'],
    ] as const) {
      const before = checker.scrypts
      const found = await checker.check(name, password)
      t.equal(found?.name, password === 'plain' ? 'bob' : undefined)
      t.equal(checker.scrypts - before, 1, `${name} ${password}`)
    }
  },
)

t.test('computes no hash where all passwords are plain', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', 'pw')))
  t.match(await checker.check('ann', 'pw'), { name: 'ann' })
  t.equal(await checker.check('eve', 'pw'), undefined)
  t.equal(checker.scrypts, 0)
})

t.test('lets one hash be right for its own user only', async (t) => {
  const shared = hash('pw')
  const checker = new PasswordChecker(fixed(user('ann', shared), user('bob', hash('other'))))
  const [ann, bob] = await Promise.all([checker.check('ann', 'pw'), checker.check('bob', 'pw')])
  t.match(ann, { name: 'ann' })
  t.equal(bob, undefined)
})

t.test('refuses further passwords while too many wait, and serves those that wait', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', hash('pw'))))
  const checks = Array.from({ length: 40 }, (_, i) => checker.check('ann', i === 0 ? 'pw' : `no ${i}`))
  const outcomes = await Promise.allSettled(checks)
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  t.equal(refused.length, 7)
  for (const { reason } of refused) t.match(reason, { code: 'overloaded', status: 503 })
  t.match(outcomes[0], { status: 'fulfilled', value: { name: 'ann' } })
  t.match(await checker.check('ann', 'pw'), { name: 'ann' })
})

/** Users that are exchanged when the checker looks for news, and how often it looked. */
function rotating(before: readonly User[], after: readonly User[]) {
  let current = before
  let refreshes = 0
  const refresh = async () => {
    refreshes++
    current = after
  }
  return { source: { users: () => current, refresh }, refreshes: () => refreshes }
}

t.test('takes a password that was rotated at its first use', async (t) => {
  const { source, refreshes } = rotating([user('ann', 'old')], [user('ann', 'new')])
  const checker = new PasswordChecker(source)
  t.match(await checker.check('ann', 'old'), { name: 'ann' })
  t.equal(refreshes(), 0, 'what is right asks nobody')
  t.match(await checker.check('ann', 'new'), { name: 'ann' })
  t.equal(await checker.check('ann', 'old'), undefined)
})

t.test('a user that is gone is refused as soon as the users change', async (t) => {
  let users: readonly User[] = [user('ann', 'pw'), user('bob', hash('pw'))]
  const checker = new PasswordChecker({ users: () => users })
  t.match(await checker.check('bob', 'pw'), { name: 'bob' })
  users = []
  t.equal(await checker.check('ann', 'pw'), undefined)
  t.equal(await checker.check('bob', 'pw'), undefined)
})

t.test('what was proven of a user holds on when another one changes', async (t) => {
  const bob = user('bob', hash('pw'))
  const { source } = rotating([user('ann', 'old'), bob], [user('ann', 'new'), bob])
  const checker = new PasswordChecker(source)
  await checker.check('bob', 'pw')
  t.match(await checker.check('ann', 'new'), { name: 'ann' })
  const before = checker.scrypts
  t.match(await checker.check('bob', 'pw'), { name: 'bob' })
  t.equal(checker.scrypts, before)
})

t.test('what was proven of a password does not hold for the one after it', async (t) => {
  const { source } = rotating([user('ann', hash('old'))], [user('ann', hash('new'))])
  const checker = new PasswordChecker(source)
  await checker.check('ann', 'old')
  t.match(await checker.check('ann', 'new'), { name: 'ann' })
  t.equal(await checker.check('ann', 'old'), undefined)
})

t.test('checks once more also when the users changed while it checked, without a refresh of its own', async (t) => {
  let users: readonly User[] = [user('ann', hash('old'))]
  const checker = new PasswordChecker({ users: () => users, refresh: async () => {} })
  const checking = checker.check('ann', 'new')
  users = [user('ann', hash('new'))]
  t.match(await checking, { name: 'ann' })
})
