import fc from 'fast-check'
import t from 'tap'
import { openPageToken, type PageFilters, sealPageToken } from '../../../src/protocol/logs/page-token.ts'

const key = new Uint8Array(32).fill(7)
const filters: PageFilters = { tenant: 'a', severity: 'error', since: '1', until: '2', q: 'x' }
const position = { ns: 1_763_724_815_000_000_001n, skip: 3 }

t.test('returns the sealed position', async (t) => {
  const skip = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), skip, fc.string(), (ns, skip, tenant) => {
      t.strictSame(openPageToken(key, sealPageToken(key, { ns, skip }, { tenant }), { tenant }), { ns, skip })
    }),
  )
})

t.test('needs no encoding in a URL and does not show the filters', async (t) => {
  t.match(sealPageToken(key, position, { tenant: 'secret' }), /^[\w-]{60}$/)
})

t.test('refuses the token of another question', async (t) => {
  const token = sealPageToken(key, position, filters)
  const others: [name: string, filters: PageFilters][] = [
    ['another tenant', { ...filters, tenant: 'b' }],
    ['another severity', { ...filters, severity: 'info' }],
    ['no severity', { ...filters, severity: undefined }],
    ['another since', { ...filters, since: '0' }],
    ['another until', { ...filters, until: '3' }],
    ['another text', { ...filters, q: '' }],
    ['values that moved', { tenant: 'a', severity: 'error', since: '12', until: '', q: 'x' }],
  ]
  t.strictSame(openPageToken(key, token, { ...filters }), position)
  for (const [name, other] of others) {
    t.throws(() => openPageToken(key, token, other), { code: 'page_token_invalid' }, name)
  }
  t.throws(() => openPageToken(key, sealPageToken(key, position, { tenant: 'a', q: '' }), { tenant: 'a' }), {
    code: 'page_token_invalid',
  })
})

t.test('rejects a token that was changed or sealed with another key', async (t) => {
  const token = sealPageToken(key, position, filters)
  const rows: [name: string, token: string][] = [
    ['nothing', ''],
    ['a character less', token.slice(1)],
    ['a character more', `${token}A`],
    ['padding', `${token}====`],
    ['plain base64', `+${token.slice(1)}`],
    ['another key', sealPageToken(new Uint8Array(32), position, filters)],
    ['another version', `Ag${token.slice(2)}`],
  ]
  for (const [name, text] of rows) {
    t.throws(() => openPageToken(key, text, filters), { code: 'page_token_invalid' }, name)
  }
  for (let bit = 0; bit < 45 * 8; bit++) {
    const bytes = Buffer.from(token, 'base64url')
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
    t.throws(() => openPageToken(key, bytes.toString('base64url'), filters), { code: 'page_token_invalid' })
  }
})

t.test('refuses any text', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.throws(() => openPageToken(key, text, filters), { code: 'page_token_invalid' })
    }),
  )
})
