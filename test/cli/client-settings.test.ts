import t from 'tap'
import { readAddress } from '../../src/cli/client.ts'
import { type ClientSource, type ClientValues, readClientSettings } from '../../src/cli/client-settings.ts'

const PROFILES = '/home/me/.config/millrace/profiles.json'

function sourceOf(
  env: ClientSource['env'],
  files: Readonly<Record<string, string>> = {},
  isPrivate = true,
): ClientSource {
  const readFile = (path: string) => {
    const text = files[path]
    return text === undefined ? undefined : { text, isPrivate }
  }
  return { env, configFolder: '/home/me/.config', readFile }
}

const profiles = JSON.stringify({
  default: { url: 'http://default:3100', tenant: 'a' },
  prod: { url: 'https://prod', username: 'me', password: 'pw' },
  files: { url: 'https://files', tokenFile: '/token' },
})
const FILES = { [PROFILES]: profiles, '/pass': 'from file\nmore', '/token': 'tok\r\n' }

/** [name, flags, environment, files, url and credentials] */
const ROWS: readonly (readonly [string, ClientValues, ClientSource['env'], Record<string, string>, object])[] = [
  ['nothing', {}, {}, {}, { url: 'http://127.0.0.1:3100', username: undefined, token: undefined }],
  [
    'flags',
    { url: 'http://f', user: 'u:p:q', tenant: 't' },
    {},
    {},
    { url: 'http://f', username: 'u', password: 'p:q', tenant: 't' },
  ],
  ['an empty password', { user: 'u:' }, {}, {}, { username: 'u', password: '' }],
  [
    "logcli's variables",
    {},
    { LOKI_ADDR: 'http://l', LOKI_USERNAME: 'u', LOKI_PASSWORD: 'p', LOKI_ORG_ID: 't' },
    {},
    { url: 'http://l', username: 'u', password: 'p', tenant: 't' },
  ],
  [
    "Millrace's variables before logcli's",
    {},
    { LOKI_ADDR: 'http://l', MILLRACE_URL: 'http://m' },
    {},
    { url: 'http://m' },
  ],
  [
    'flags before variables',
    { url: 'http://f', token: 't' },
    { LOKI_USERNAME: 'u', LOKI_PASSWORD: 'p' },
    {},
    { url: 'http://f', token: 't', username: undefined },
  ],
  [
    'a name by a flag, the password by a variable',
    { user: 'u' },
    { MILLRACE_PASSWORD: 'p' },
    {},
    { username: 'u', password: 'p' },
  ],
  [
    'a password in a file',
    { user: 'u', 'password-file': '/pass' },
    {},
    FILES,
    { username: 'u', password: 'from file' },
  ],
  ['a token in a file', {}, { LOKI_BEARER_TOKEN_FILE: '/token' }, { '/token': 'tok\n' }, { token: 'tok' }],
  ['the default profile', {}, {}, FILES, { url: 'http://default:3100', tenant: 'a' }],
  [
    'variables before the default profile',
    {},
    { MILLRACE_URL: 'http://m' },
    FILES,
    { url: 'http://m', tenant: undefined },
  ],
  [
    'a named profile',
    { profile: 'prod' },
    { MILLRACE_URL: 'http://m' },
    FILES,
    { url: 'https://prod', username: 'me', password: 'pw' },
  ],
  ['a profile named by a variable', {}, { MILLRACE_PROFILE: 'files' }, FILES, { url: 'https://files', token: 'tok' }],
  [
    'no credentials of a profile for another address',
    { profile: 'prod', url: 'http://other' },
    {},
    FILES,
    { url: 'http://other', username: undefined, password: undefined },
  ],
  [
    'no variables for another address',
    { url: 'http://other' },
    { LOKI_ADDR: 'http://l', LOKI_BEARER_TOKEN: 't' },
    {},
    { token: undefined },
  ],
  ['variables without an address for any', { url: 'http://other' }, { LOKI_BEARER_TOKEN: 't' }, {}, { token: 't' }],
]
for (const [name, flags, env, files, wanted] of ROWS) {
  t.test(`address and credentials: ${name}`, async (t) => {
    t.match(readClientSettings(flags, sourceOf(env, files)), wanted)
  })
}

/** [name, flags, environment, files, private, the error] */
const WRONG: readonly (readonly [
  string,
  ClientValues,
  ClientSource['env'],
  Record<string, string>,
  boolean,
  RegExp,
])[] = [
  ['a user without a password', { user: 'u' }, {}, {}, true, /user name but no password; set MILLRACE_PASSWORD/],
  ['an unknown profile', { profile: 'prd' }, {}, FILES, true, /no profile "prd"; it has default, prod, files/],
  ['a name of Object', { profile: 'constructor' }, {}, FILES, true, /no profile "constructor"/],
  ['no file of profiles', { profile: 'prod' }, {}, {}, true, /there is no .*profiles\.json; write/],
  [
    'a file that is no JSON',
    { profile: 'prod' },
    {},
    { [PROFILES]: '{"p": secret' },
    true,
    /not a JSON object of profiles/,
  ],
  [
    'an unknown field',
    { profile: 'p' },
    {},
    { [PROFILES]: '{"p": {"uri": "x"}}' },
    true,
    /has "uri"; expected texts named url/,
  ],
  ['a secret that others can read', { profile: 'prod' }, {}, FILES, false, /others can read it: chmod 600/],
  ['a missing file of a secret', { 'token-file': '/none' }, {}, {}, true, /\/none does not exist or is empty/],
  ['an invalid address', {}, { LOKI_ADDR: 'loki:3100' }, {}, true, /the address from the environment is not a URL/],
]
for (const [name, flags, env, files, isPrivate, message] of WRONG) {
  t.test(`rejected without its secrets: ${name}`, async (t) => {
    try {
      readAddress(flags, sourceOf(env, files, isPrivate))
      t.fail('it was accepted')
    } catch (error) {
      t.match(error, { message })
      t.notMatch(String(error), /"p": secret|pw/)
    }
  })
}
