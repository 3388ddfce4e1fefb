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

t.test('computes no hash for a password that was checked before', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', hash('pw'))))
  for (let i = 0; i < 5; i++) t.match(await checker.check('ann', 'pw'), { name: 'ann' })
  t.equal(checker.scrypts, 1)
})

t.test('remembers the right password after a wrong one', async (t) => {
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

t.test('computes no hash if all passwords are plain', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', 'pw')))
  t.match(await checker.check('ann', 'pw'), { name: 'ann' })
  t.equal(await checker.check('eve', 'pw'), undefined)
  t.equal(checker.scrypts, 0)
})

t.test('a hash is valid only for its own user', async (t) => {
  const shared = hash('pw')
  const checker = new PasswordChecker(fixed(user('ann', shared), user('bob', hash('other'))))
  const [ann, bob] = await Promise.all([checker.check('ann', 'pw'), checker.check('bob', 'pw')])
  t.match(ann, { name: 'ann' })
  t.equal(bob, undefined)
})

t.test('rejects passwords while too many wait, and serves the waiting ones', async (t) => {
  const checker = new PasswordChecker(fixed(user('ann', hash('pw'))))
  const checks = Array.from({ length: 40 }, (_, i) => checker.check('ann', i === 0 ? 'pw' : `no ${i}`))
  const outcomes = await Promise.allSettled(checks)
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  t.equal(refused.length, 7)
  for (const { reason } of refused) t.match(reason, { code: 'overloaded', status: 503 })
  t.match(outcomes[0], { status: 'fulfilled', value: { name: 'ann' } })
  t.match(await checker.check('ann', 'pw'), { name: 'ann' })
})

/** Users that change on refresh, and the number of refreshes. */
function rotating(before: readonly User[], after: readonly User[]) {
  let current = before
  let refreshes = 0
  const refresh = async () => {
    refreshes++
    current = after
  }
  return { source: { users: () => current, refresh }, refreshes: () => refreshes }
}

t.test('accepts a rotated password on first use', async (t) => {
  const { source, refreshes } = rotating([user('ann', 'old')], [user('ann', 'new')])
  const checker = new PasswordChecker(source)
  t.match(await checker.check('ann', 'old'), { name: 'ann' })
  t.equal(refreshes(), 0, 'a right password triggers no refresh')
  t.match(await checker.check('ann', 'new'), { name: 'ann' })
  t.equal(await checker.check('ann', 'old'), undefined)
})

t.test('a removed user is rejected as soon as the users change', async (t) => {
  let users: readonly User[] = [user('ann', 'pw'), user('bob', hash('pw'))]
  const checker = new PasswordChecker({ users: () => users })
  t.match(await checker.check('bob', 'pw'), { name: 'bob' })
  users = []
  t.equal(await checker.check('ann', 'pw'), undefined)
  t.equal(await checker.check('bob', 'pw'), undefined)
})

t.test('a proven password stays proven when another user changes', async (t) => {
  const bob = user('bob', hash('pw'))
  const { source } = rotating([user('ann', 'old'), bob], [user('ann', 'new'), bob])
  const checker = new PasswordChecker(source)
  await checker.check('bob', 'pw')
  t.match(await checker.check('ann', 'new'), { name: 'ann' })
  const before = checker.scrypts
  t.match(await checker.check('bob', 'pw'), { name: 'bob' })
  t.equal(checker.scrypts, before)
})

t.test('a proven password is not valid after it was changed', async (t) => {
  const { source } = rotating([user('ann', hash('old'))], [user('ann', hash('new'))])
  const checker = new PasswordChecker(source)
  await checker.check('ann', 'old')
  t.match(await checker.check('ann', 'new'), { name: 'ann' })
  t.equal(await checker.check('ann', 'old'), undefined)
})

t.test('checks again if the users changed during the check, without its own refresh', async (t) => {
  let users: readonly User[] = [user('ann', hash('old'))]
  const checker = new PasswordChecker({ users: () => users, refresh: async () => {} })
  const checking = checker.check('ann', 'new')
  users = [user('ann', hash('new'))]
  t.match(await checking, { name: 'ann' })
})
