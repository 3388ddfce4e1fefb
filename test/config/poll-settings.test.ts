import t from 'tap'
import { POLL_SETTINGS } from '../../src/config/poll-settings.ts'
import { readConfig } from '../../src/config/read-config.ts'

const A = 'abcdefabcdefabcdefabcdef'
const B = '507f1f77bcf86cd799439011'

const ACCEPTED: readonly (readonly [name: string, text: string, projects: readonly object[]])[] = [
  ['one id', A, [{ id: A, name: A }]],
  ['a name', `shop = ${A}`.replaceAll(' ', ''), [{ id: A, name: 'shop' }]],
  [
    'several',
    `shop=${A}, ${B}`,
    [
      { id: A, name: 'shop' },
      { id: B, name: B },
    ],
  ],
]

for (const [name, text, projects] of ACCEPTED) {
  t.test(`accepts ${name}`, async (t) => {
    const { kind } = POLL_SETTINGS.projects
    t.same(kind.parse(text), { value: projects })
    t.same(kind.parse(kind.format(projects as never)), { value: projects }, 'and its own formatted value')
  })
}

const REFUSED: readonly (readonly [name: string, variable: string, text: string])[] = [
  ['an id that is too short', 'MILLRACE_POLL_PROJECTS', 'abc'],
  ['upper case', 'MILLRACE_POLL_PROJECTS', A.toUpperCase()],
  ['a project twice', 'MILLRACE_POLL_PROJECTS', `${A},x=${A}`],
  ['a name twice', 'MILLRACE_POLL_PROJECTS', `x=${A},x=${B}`],
  ['an API key over plain http', 'MILLRACE_POLL_BASE_URL', 'http://api.example.com'],
  ['a password in the URL', 'MILLRACE_POLL_BASE_URL', 'https://user:secret@api.example.com'],
  ['an unknown level', 'MILLRACE_POLL_LEVELS', 'info,loud'],
  ['a path without a final slash', 'MILLRACE_POLL_PARAMETER_PREFIX', '/millrace/prod'],
]

for (const [name, variable, text] of REFUSED) {
  t.test(`rejects ${name}`, async (t) => {
    t.throws(() => readConfig({ [variable]: text }), { code: 'config_invalid', message: new RegExp(variable) })
  })
}

t.test('the API key has its usual Cognigy name, and its value is never shown', async (t) => {
  t.equal(readConfig({ COGNIGY_API_KEY: 'k' }).poll.apiKey, 'k')
  t.equal(POLL_SETTINGS.apiKey.kind.isSecret, true)
})

t.test('the defaults are the names of existing installations', async (t) => {
  t.match(readConfig({}).poll, {
    apiKeyParameter: '/cognigy-mytrial-api-key',
    parameterPrefix: '/',
    logGroup: 'cognigy-logs',
    logStream: 'lambda-poller-stream',
    awsRegion: 'eu-central-1',
    baseUrl: 'https://api-trial.cognigy.ai',
    intervalMs: 60_000,
  })
})
