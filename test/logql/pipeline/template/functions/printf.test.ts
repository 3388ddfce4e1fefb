import fc from 'fast-check'
import t from 'tap'
import { Budget } from '../../../../../src/logql/pipeline/template/budget.ts'
import { sprintf } from '../../../../../src/logql/pipeline/template/functions/printf.ts'
import type { GoValue } from '../../../../../src/logql/pipeline/template/value.ts'

type Row = [format: string, args: GoValue[], text: string]

function checkAll(t: { equal: (a: unknown, b: unknown, name: string) => unknown }, rows: readonly Row[]): void {
  for (const [format, args, text] of rows) t.equal(sprintf(format, args, new Budget()), text, format)
}

t.test('strings', async (t) => {
  checkAll(t, [
    ['%s', ['a'], 'a'],
    ['%5s|%-5s|', ['a', 'b'], '    a|b    |'],
    ['%.2s', ['äöü'], 'äö'],
    ['%-6.3s|', ['abcdef'], 'abc   |'],
    ['%q %+s', ['a"b\n', 'x'], '"a\\"b\\n" x'],
    ['%#q', ['ab'], '`ab`'],
    ['%x %X % x %#x', ['hé', 'hé', 'ab', 'a'], '68c3a9 68C3A9 61 62 0x61'],
    ['%v %T', ['a', 'a'], 'a string'],
    ['100%%', [], '100%'],
    ['%05s', ['a'], '0000a'],
  ])
})

t.test('integers', async (t) => {
  checkAll(t, [
    ['%d %5d|%-5d|%05d %+d % d', [1n, 2n, 3n, 4n, 5n, 6n], '1     2|3    |00004 +5  6'],
    ['%05d %x %X %o %O %b %#x %#o', [-42n, 255n, 255n, 8n, 8n, 5n, 255n, 8n], '-0042 ff FF 10 0o10 101 0xff 010'],
    ['%c %q %U', [97n, 97n, 0x20acn], "a 'a' U+20AC"],
    ['%.3d|%6.3d|%.0d|', [7n, 7n, 0n], '007|   007||'],
    ['%v %s', [7n, 7n], '7 %!s(int=7)'],
    ['%5s|%+s|%03t', [7n, 7n, 7n], '%!s(int=    7)|%!s(int=+7)|%!t(int=007)'],
    ['%-5s|%4d', [true, 'hi'], '%!s(bool=true )|%!d(string=  hi)'],
    ['%t', [true], 'true'],
    ['%d', [true], '%!d(bool=true)'],
  ])
})

t.test('floats', async (t) => {
  checkAll(t, [
    [
      '%f %.2f %8.3f|%-8.1f|%08.2f %+.1f',
      [1.5, 2.345, 7.1416, 4.25, 5.5, 6],
      '1.500000 2.35    7.142|4.2     |00005.50 +6.0',
    ],
    ['%e %E %.2e', [123456.789, 0.00012, 1], '1.234568e+05 1.200000E-04 1.00e+00'],
    [
      '%g %g %g %g %.3g %G',
      [1000000, 123456, 0.0001, 0.00001, 1234.5, 1e-10],
      '1e+06 123456 0.0001 1e-05 1.23e+03 1E-10',
    ],
    ['%v %v %v %v', [1, Number.NaN, Number.POSITIVE_INFINITY, -0], '1 NaN +Inf -0'],
    ['%6.1f|%06.1f', [Number.NaN, Number.NEGATIVE_INFINITY], '   NaN|  -Inf'],
    ['%d', [1.5], '%!d(float64=1.5)'],
    ['%.0f %.0f %.0f %f', [0.5, 1.5, 2.5, 1e21], '0 2 2 1000000000000000000000.000000'],
    ['%.0f %.1f %.3f %.2f', [0, 0.04, 0.0001, 9.999], '0 0.0 0.000 10.00'],
    ['%.0e %.1e %.3g %g %.10g', [0, 0.95, 0, 0, 100], '0e+00 9.5e-01 0 0 100'],
    ['%.20f %.1f', [0.1, 1e-300], '0.10000000000000000555 0.0'],
  ])
})

t.test('agrees with JavaScript where no tie is rounded', async (t) => {
  const double = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e20, max: 1e20 })
  const property = fc.property(double, fc.nat(20), (value, places) => {
    const print = (format: string): string => sprintf(format, [value], new Budget())
    const isFixed = Object.is(value, -0) || isTie(value, places) || print(`%.${places}f`) === value.toFixed(places)
    const error = Math.abs(Number(print(`%.${places}e`)) - value)
    return (
      isFixed && error <= Math.abs(value) * (0.501 * 10 ** -places + Number.EPSILON) && Number(print('%v')) === value
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3000 }))
})

/** A double of this size that is exactly between two short decimals has at most 100 places. */
function isTie(value: number, places: number): boolean {
  return /^50*$/.test((value.toFixed(100).split('.')[1] as string).slice(places))
}

t.test('lists, maps and nil', async (t) => {
  checkAll(t, [
    [
      '%v %d',
      [
        [1n, 'a', undefined],
        [1n, 2n],
      ],
      '[1 a <nil>] [1 2]',
    ],
    ['%v', [undefined], '<nil>'],
    ['%d', [undefined], '%!d(<nil>)'],
    ['%s', [['a', 1n]], '[a %!s(int=1)]'],
  ])
})

t.test('faults are in the output', async (t) => {
  checkAll(t, [
    ['%d', ['hi'], '%!d(string=hi)'],
    ['%d %d', [1n], '1 %!d(MISSING)'],
    ['%d', [1n, 'x', 2n], '1%!(EXTRA string=x, int=2)'],
    ['%', [], '%!(NOVERB)'],
    ['%z', [1n], '%!z(int=1)'],
    ['%*d', ['x', 1n], '%!(BADWIDTH)1'],
    ['%[9]d', [1n], '%!d(BADINDEX)'],
  ])
})

t.test('widths and places from arguments', async (t) => {
  checkAll(t, [
    ['%*d|', [5n, 1n], '    1|'],
    ['%-*d|%*d|', [3n, 1n, -3n, 2n], '1  |2  |'],
    ['%.*f', [2n, 1.239], '1.24'],
    ['%[2]s %[1]s', ['a', 'b'], 'b a'],
    ['%[1]s %[1]q', ['a'], 'a "a"'],
  ])
})

t.test('widths are bounded by the budget', async (t) => {
  t.throws(
    () =>
      sprintf(
        '%1000000d'.repeat(10),
        Array.from({ length: 10 }, () => 1n),
        new Budget(),
      ),
    { code: 'query_refused' },
  )
  t.equal(sprintf('%9999999d', [1n], new Budget()), '%!(BADWIDTH)1')
})

t.test('any format and arguments give a text', async (t) => {
  const value = fc.oneof(
    fc.string(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.double(),
    fc.boolean(),
    fc.constant(undefined),
  )
  const piece = fc.oneof(
    fc.stringMatching(/^%[-+# 0]{0,3}\d{0,3}(\.\d{0,2})?[a-zA-Z%]$/),
    fc.string(),
    fc.constantFrom('%[', '%*', '%.', '%[2]*.[1]*f'),
  )
  const property = fc.property(fc.array(piece, { maxLength: 5 }), fc.array(value, { maxLength: 5 }), (pieces, args) => {
    return typeof sprintf(pieces.join(''), args, new Budget()) === 'string'
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3000 }))
})
