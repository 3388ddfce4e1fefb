import fc from 'fast-check'
import t from 'tap'
import { compileIpFilter } from '../../../src/logql/pipeline/ip.ts'

t.test('finds addresses in a text', async (t) => {
  const rows: [pattern: string, text: string, matches: boolean][] = [
    ['10.0.0.1', 'from 10.0.0.1 to x', true],
    ['10.0.0.1', '10.0.0.1:8080', true],
    ['10.0.0.1', 'addr:10.0.0.1.', true],
    ['10.0.0.1', '(10.0.0.1)', true],
    ['10.0.0.1', '10.0.0.11', false],
    ['10.0.0.1', '110.0.0.1', false],
    ['10.0.0.1', '1.10.0.0.1', false],
    ['10.0.0.1', '10.0.0.1.5', false],
    ['10.0.0.1', '10.0.0.01', false],
    ['10.0.0.0/8', 'x 10.255.3.4 y', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.1.2.3/8', '10.200.0.1', true],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['10.0.0.1/32', '10.0.0.1', true],
    ['10.0.0.5-10.0.0.9', '10.0.0.7', true],
    ['10.0.0.5-10.0.0.9', '10.0.0.4 10.0.0.10', false],
    ['10.0.0.5 - 10.0.0.9', '10.0.0.5', true],
    ['10.0.0.1', '256.0.0.1 300.1.1.1', false],
    ['10.0.0.1', '::1', false],
    ['::1', 'from [::1]:80', true],
    ['::1', 'from ::1.', true],
    ['::1', '::11', false],
    ['2001:db8::1', 'addr:2001:0db8:0:0::1', true],
    ['2001:db8::1', '2001:DB8::1: refused', true],
    ['2001:db8::/32', '2001:db8:ffff::5', true],
    ['2001:db8::/32', '2001:db9::5', false],
    ['2001:db8::1-2001:db8::ff', '2001:db8::a0', true],
    ['::/0', 'time 12:30:45 x', false],
    ['::ffff:1.2.3.4', '::ffff:0102:0304', true],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8', true],
    ['10.0.0.1', '', false],
  ]
  for (const [pattern, text, matches] of rows) t.equal(compileIpFilter(pattern)(text), matches, `${pattern} in ${text}`)
})

t.test('patterns that are refused', async (t) => {
  for (const pattern of [
    '',
    'x',
    '10.0.0',
    '10.0.0.1/33',
    '::/129',
    '10.0.0.9-10.0.0.1',
    '10.0.0.1-::1',
    '1.2.3.4-1.2.3.5-1.2.3.6',
    '10.0.0.1/',
    '1::2::3',
    ':::',
    '10.0.0.256',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    '10.0.0.0/8/8',
  ]) {
    t.throws(() => compileIpFilter(pattern), { code: 'query_malformed' }, pattern)
  }
})

t.test('a CIDR takes exactly the addresses with its prefix', async (t) => {
  const property = fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (one, two, bits) => {
    const value = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
    const size = 2 ** (32 - bits)
    const expected = Math.floor(value(one) / size) === Math.floor(value(two) / size)
    return compileIpFilter(`${one}/${bits}`)(`x ${two} y`) === expected
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('every v6 address finds itself', async (t) => {
  const property = fc.property(fc.ipV6(), (address) => compileIpFilter(address)(`peer [${address}]:443`))
  t.doesNotThrow(() => fc.assert(property))
})

t.test('any text and pattern have a result in linear time', async (t) => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[0-9a-f.:/-]{0,30}$/))
  const property = fc.property(text, text, (pattern, line) => {
    try {
      compileIpFilter(pattern)(line)
    } catch (error) {
      if ((error as { code?: string }).code !== 'query_malformed') throw error
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
  // Quadratic work on one of these would outlast the test's time limit.
  for (const unit of [':', '1', '1.', 'a:', '::', '1.1.1.1', 'f', '1:']) {
    for (const pattern of ['10.0.0.0/8', '::1'])
      t.equal(compileIpFilter(pattern)(unit.repeat(262_144 / unit.length)), false)
  }
})
