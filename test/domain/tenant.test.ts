import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import { isTenant, parseTenant, parseTenants } from '../../src/domain/tenant.ts'

const ACCEPTED: [string, string][] = [
  ['a word', 'fake'],
  ['every allowed sign', "aZ09!-_.*'()"],
  ['three dots', '...'],
  ['150 characters', 'a'.repeat(150)],
  ['a name of objects', '__proto__'],
]
for (const [name, header] of ACCEPTED) {
  t.test(`accepts ${name} as a tenant`, async (t) => t.equal(parseTenant(header), header))
}

const REFUSED: [string, string, RegExp][] = [
  ['nothing', '', /is empty/],
  ['151 characters', 'a'.repeat(151), /is 151 characters long; the limit is 150/],
  ['a dot', '.', /"\." or "\.\."/],
  ['two dots', '..', /"\." or "\.\."/],
  ['a slash', 'a/b', /must have only/],
  ['a space', 'a b', /must have only/],
  ['a line break at the end', 'a\n', /must have only/],
  ['an umlaut', 'ä', /must have only/],
  ['several tenants', 'a|b', /has several tenants/],
]
for (const [name, header, message] of REFUSED) {
  t.test(`rejects ${name} as a tenant`, async (t) => {
    t.throws(() => parseTenant(header), { code: 'tenant_invalid', status: 400, message })
  })
}

t.test('parses several tenants, distinct and sorted', async (t) => {
  t.same(parseTenants('b|a|b'), ['a', 'b'])
  t.same(parseTenants('a'), ['a'])
})

t.test('rejects an empty name among several tenants', async (t) => {
  for (const header of ['', '|', 'a|', '|a', 'a||b'])
    t.throws(() => parseTenants(header), { code: 'tenant_invalid' }, header)
})

t.test('rejects more tenants than the limit of a query', async (t) => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `t${i}`).join('|')
  t.equal(parseTenants(names(16)).length, 16)
  t.throws(() => parseTenants(names(17)), { code: 'tenant_invalid', message: /more than 16/ })
})

t.test('any text gives tenants or tenant_invalid', async (t) => {
  const property = fc.property(fc.string({ unit: 'binary' }), (text) => {
    try {
      return parseTenants(text).every(isTenant)
    } catch (error) {
      return error instanceof GatewayError && error.code === 'tenant_invalid'
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
})
