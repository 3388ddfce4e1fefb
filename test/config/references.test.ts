import t from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { type FetchParameters, referenceIn, resolveReferences } from '../../src/config/references.ts'

/** Parameters in memory, and the names that were asked for. */
function parameters(values: Readonly<Record<string, string>>): {
  fetch: FetchParameters
  asked: (readonly string[])[]
} {
  const asked: (readonly string[])[] = []
  const fetch: FetchParameters = async (names) => {
    asked.push(names)
    return new Map(Object.entries(values).filter(([name]) => names.includes(name)))
  }
  return { fetch, asked }
}

t.test('puts the values of parameters in place of their references', async (t) => {
  const { fetch, asked } = parameters({ '/m/users': 'ann:pw', '/m/key': 'k', '/aws/reference/secretsmanager/s': 's' })
  const env = {
    MILLRACE_USERS: ' ssm:/m/users ',
    MILLRACE_KEY_SECRET: 'ssm:/m/key',
    MILLRACE_TABLE: 'ssm-table',
    MILLRACE_BUCKET: undefined,
    COGNIGY_API_KEY: 'ssm:/aws/reference/secretsmanager/s',
    OTHER: 'ssm:/m/users',
  }
  t.same(await resolveReferences(env, fetch), {
    ...env,
    MILLRACE_USERS: 'ann:pw',
    MILLRACE_KEY_SECRET: 'k',
    COGNIGY_API_KEY: 's',
  })
  t.same(asked, [['/m/users', '/m/key', '/aws/reference/secretsmanager/s']])
})

t.test('fetches nothing without a reference, and a parameter of two variables once', async (t) => {
  const { fetch, asked } = parameters({ '/m/a': 'v' })
  const env = { MILLRACE_TABLE: 'table', PATH: 'ssm:/m/a' }
  t.equal(await resolveReferences(env, fetch), env)
  t.same(asked, [])
  t.match(await resolveReferences({ MILLRACE_A: 'ssm:/m/a', MILLRACE_B: 'ssm:/m/a' }, fetch), {
    MILLRACE_A: 'v',
    MILLRACE_B: 'v',
  })
  t.same(asked, [['/m/a']])
})

t.test('names every variable whose parameter does not exist, and no value', async (t) => {
  const { fetch } = parameters({ '/m/key': 'secret' })
  const env = { MILLRACE_USERS: 'ssm:/m/users', MILLRACE_KEY_SECRET: 'ssm:/m/key', COGNIGY_API_KEY: 'ssm:/m/cognigy' }
  await t.rejects(resolveReferences(env, fetch), {
    code: 'config_invalid',
    message: `2 references are wrong:
  MILLRACE_USERS: there is no parameter "/m/users" in this account and region; create it, or correct the reference
  COGNIGY_API_KEY: there is no parameter "/m/cognigy" in this account and region; create it, or correct the reference`,
  })
})

t.test('refuses what is no name before anything is fetched, and does not show it', async (t) => {
  const { fetch, asked } = parameters({})
  for (const value of ['ssm:', 'ssm: ', 'ssm:my secret!', `ssm:${'a'.repeat(3000)}`]) {
    await t.rejects(resolveReferences({ MILLRACE_USERS: value }, fetch), {
      code: 'config_invalid',
      message: /^a reference is wrong:\n {2}MILLRACE_USERS: what follows "ssm:" \(not shown\)/,
    })
  }
  t.same(asked, [])
})

t.test('a reference is told by its first letters', async (t) => {
  t.equal(referenceIn('ssm:/a'), '/a')
  for (const value of [undefined, '', 'SSM:/a', 'assm:/a', 'ssm']) t.equal(referenceIn(value), undefined)
})

t.test('a reference that nobody resolved is no value of a setting', async (t) => {
  for (const variable of ['MILLRACE_USERS', 'MILLRACE_KEY_SECRET', 'MILLRACE_TABLE']) {
    t.throws(() => readConfig({ [variable]: 'ssm:/millrace/a-parameter-with-a-long-name' }), {
      code: 'config_invalid',
      message: new RegExp(`${variable}: a reference to a parameter came where none is looked up`),
    })
  }
})
