import t from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { type FetchParameters, referenceIn, resolveReferences } from '../../src/config/references.ts'

/** Parameters in memory, and the names that were requested. */
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

t.test('replaces references by the values of their parameters', async (t) => {
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

t.test('fetches nothing without references, and a parameter used by two variables once', async (t) => {
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

t.test('reports every variable whose parameter does not exist, without values', async (t) => {
  const { fetch } = parameters({ '/m/key': 'secret' })
  const env = { MILLRACE_USERS: 'ssm:/m/users', MILLRACE_KEY_SECRET: 'ssm:/m/key', COGNIGY_API_KEY: 'ssm:/m/cognigy' }
  await t.rejects(resolveReferences(env, fetch), {
    code: 'config_invalid',
    message: `2 references are invalid:
  MILLRACE_USERS: parameter "/m/users" does not exist in this account and region; create it, or correct the reference
  COGNIGY_API_KEY: parameter "/m/cognigy" does not exist in this account and region; create it, or correct the reference`,
  })
})

t.test('rejects an invalid parameter name before fetching, and does not show it', async (t) => {
  const { fetch, asked } = parameters({})
  for (const value of ['ssm:', 'ssm: ', 'ssm:my secret!', `ssm:${'a'.repeat(3000)}`]) {
    await t.rejects(resolveReferences({ MILLRACE_USERS: value }, fetch), {
      code: 'config_invalid',
      message: /^a reference is invalid:\n {2}MILLRACE_USERS: the text after "ssm:" \(not shown\)/,
    })
  }
  t.same(asked, [])
})

t.test('a reference is recognised by its prefix', async (t) => {
  t.equal(referenceIn('ssm:/a'), '/a')
  for (const value of [undefined, '', 'SSM:/a', 'assm:/a', 'ssm']) t.equal(referenceIn(value), undefined)
})

t.test('an unresolved reference is rejected as the value of a setting', async (t) => {
  for (const variable of ['MILLRACE_USERS', 'MILLRACE_KEY_SECRET', 'MILLRACE_TABLE']) {
    t.throws(() => readConfig({ [variable]: 'ssm:/millrace/a-parameter-with-a-long-name' }), {
      code: 'config_invalid',
      message: new RegExp(`${variable}: got a reference to a parameter, but references are not resolved here`),
    })
  }
})
