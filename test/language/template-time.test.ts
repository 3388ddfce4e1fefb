import fc from 'fast-check'
import t from 'tap'
import { formatTime, formatTimeString } from '../../src/logql/pipeline/template/time/time-format.ts'
import { parseTime } from '../../src/logql/pipeline/template/time/time-parse.ts'
import { isZone, zoneOffset } from '../../src/logql/pipeline/template/time/zone.ts'
import { GoTime } from '../../src/logql/pipeline/template/value.ts'

const RFC3339_NANO = '2006-01-02T15:04:05.999999999Z07:00'

t.test('text that fits its layout is a time', async (t) => {
  const rows: [layout: string, text: string, expected: string][] = [
    ['2006-01-02', '2021-11-02', '2021-11-02T00:00:00Z'],
    [RFC3339_NANO, '2021-11-02T10:20:30.123456789Z', '2021-11-02T10:20:30.123456789Z'],
    [RFC3339_NANO, '2021-11-02T10:20:30+02:00', '2021-11-02T08:20:30Z'],
    ['2006-01-02 15:04:05', '2021-11-02 10:20:30.5', '2021-11-02T10:20:30.5Z'],
    ['15:04:05.000', '10:20:30.500', '0000-01-01T10:20:30.5Z'],
    ['Mon Jan _2 15:04:05 2006', 'Tue Mar  5 06:07:08 2024', '2024-03-05T06:07:08Z'],
    ['02/Jan/2006:15:04:05 -0700', '10/Jun/2021:09:14:29 +0000', '2021-06-10T09:14:29Z'],
    ['January 2, 2006 3:04 PM', 'march 5, 2024 12:04 AM', '2024-03-05T00:04:00Z'],
    ['January 2, 2006 3:04 pm', 'March 5, 2024 12:04 pm', '2024-03-05T12:04:00Z'],
    ['Monday, 02-Jan-06 15:04:05 MST', 'Tuesday, 05-Mar-24 06:07:08 UTC', '2024-03-05T06:07:08Z'],
    ['2006-002', '2024-065', '2024-03-05T00:00:00Z'],
    ['06-1-2', '70-3-5', '1970-03-05T00:00:00Z'],
    ['2006-01-02', '2024-02-29', '2024-02-29T00:00:00Z'],
    ['2006  01', '2024 03', '2024-03-01T00:00:00Z'],
    ['Z070000 2006', '+013000 2024', '2023-12-31T22:30:00Z'],
    ['-07 2006', '-05 2024', '2024-01-01T05:00:00Z'],
  ]
  for (const [layout, text, expected] of rows) {
    const time = parseTime(layout, text, 'UTC')
    t.equal(
      time === undefined ? undefined : formatTime(new GoTime(time.ns), RFC3339_NANO),
      expected,
      `${layout}: ${text}`,
    )
  }
})

t.test('text that does not match is not a time', async (t) => {
  const rows: [layout: string, text: string][] = [
    ['2006-01-02', '2021-11-2'],
    ['2006-01-02', '2021-13-02'],
    ['2006-01-02', '2021-02-29'],
    ['2006-01-02', '2021-11-02x'],
    ['2006-01-02', 'x2021-11-02'],
    ['2006-01-02', ''],
    ['15:04', '24:00'],
    ['15:04', '10:60'],
    ['03:04 PM', '13:00 PM'],
    ['3:04 PM', '1:00 XM'],
    ['Jan', 'Foo'],
    ['Mon', 'Xyz'],
    ['MST', 'x'],
    ['-0700', '0100'],
    ['-0700', '+2500'],
    ['2006-002', '2023-366'],
    ['15:04:05.000', '10:20:30.5'],
    ['literal', 'litera'],
  ]
  for (const [layout, text] of rows) t.equal(parseTime(layout, text, 'UTC'), undefined, `${layout}: ${text}`)
})

t.test('zones', async (t) => {
  t.equal(zoneOffset('Europe/Berlin', Date.UTC(2024, 6, 1) / 1000), 7200)
  t.equal(zoneOffset('Europe/Berlin', Date.UTC(2024, 0, 1) / 1000), 3600)
  t.equal(zoneOffset('Asia/Kolkata', 0), 19_800)
  t.equal(zoneOffset('UTC', 0), 0)
  t.equal(zoneOffset('No/Where', 0), 0)
  t.equal(isZone('America/New_York'), true)
  t.equal(isZone('+01:00'), false)
  t.equal(isZone('__proto__'), false)
  t.equal(formatTimeString(new GoTime(0n, 'Asia/Kolkata')), '1970-01-01 05:30:00 +0530 IST')
  t.equal(formatTimeString(new GoTime(0n, -12_600)), '1969-12-31 20:30:00 -0330 -0330')
  t.equal(formatTimeString(new GoTime(-1n)), '1969-12-31 23:59:59.999999999 +0000 UTC')
})

t.test('a local time that a zone has twice or not at all is some time near it', async (t) => {
  const twice = parseTime('2006-01-02 15:04', '2024-10-27 02:30', 'Europe/Berlin')
  t.match(formatTime(twice as GoTime, '15:04 -0700'), /^02:30 \+0[12]00$/)
  const never = parseTime('2006-01-02 15:04', '2024-03-31 02:30', 'Europe/Berlin')
  t.match(formatTime(never as GoTime, '15:04 -0700'), /^0[13]:30 \+0[12]00$/)
})

t.test('every time reads back from every whole layout, in every zone', async (t) => {
  const layouts = [
    RFC3339_NANO,
    'Mon Jan _2 15:04:05.000000000 -0700 2006',
    'January 2 2006 03:04:05.999999999PM -07:00:00',
    '2006/002 3:4:5.999999999 pm Z0700',
    '20060102150405.000000000-0700',
  ]
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Auckland')
  const ns = fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n })
  const property = fc.property(ns, zone, fc.constantFrom(...layouts), (value, name, layout) => {
    return parseTime(layout, formatTime(new GoTime(value, name), layout), name)?.ns === value
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('any layout, text and zone give a time or undefined', async (t) => {
  const piece = fc.constantFrom(
    '2006',
    '01',
    'Jan',
    '_2',
    '15',
    '3',
    'PM',
    '-0700',
    'Z07:00',
    'MST',
    '.000',
    ',999',
    ' ',
    ':',
    '24',
    'x',
  )
  const layout = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('')),
  )
  const property = fc.property(layout, layout, fc.string(), (format, text, zone) => {
    const time = parseTime(format, text, zone)
    if (time !== undefined) formatTime(time, format)
    formatTime(new GoTime(0n), format)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})
