import t from 'tap'
import { readConfig } from '../../../../src/config/read-config.ts'
import { assertSafeBinding } from '../../../../src/transport/http/auth/binding.ts'

const LOOPBACK = ['127.0.0.1', '127.1.2.3', 'localhost', '::1']
const REACHABLE = ['0.0.0.0', '::', '192.168.1.2', 'gateway.example', '127.0.0.1.example', '::ffff:10.0.0.1']

t.test('may listen on loopback without credentials', async (t) => {
  for (const host of LOOPBACK) t.doesNotThrow(() => assertSafeBinding(readConfig({ MILLRACE_HOST: host })), host)
})

t.test('may not listen elsewhere without credentials, and explains what to do', async (t) => {
  for (const host of REACHABLE) {
    const config = readConfig({ MILLRACE_HOST: host })
    t.throws(() => assertSafeBinding(config), {
      code: 'config_invalid',
      message: /set MILLRACE_USERS.* or set MILLRACE_HOST/,
    })
  }
})

t.test('may listen anywhere with any credentials', async (t) => {
  const jwks = {
    MILLRACE_JWKS_URL: 'https://issuer.example/jwks.json',
    MILLRACE_JWT_ISSUER: 'https://issuer.example',
    MILLRACE_JWT_CLIENT_IDS: 'c1',
  }
  for (const env of [{ MILLRACE_USERS: 'ann:pw' }, { MILLRACE_LOCAL_ISSUER: 'true' }, jwks]) {
    t.doesNotThrow(() => assertSafeBinding(readConfig({ MILLRACE_HOST: '0.0.0.0', ...env })))
  }
})
