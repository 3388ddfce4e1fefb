import t from 'tap'
import { cell, csvHead, csvOf, seriesCsv } from '../../web/lines/csv.ts'
import { entriesOf } from '../../web/lines/entry.ts'

t.test('a cell is quoted where it must be, and never a formula', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['a', 'a'],
    ['a,b', '"a,b"'],
    ['say "x"', '"say ""x"""'],
    ['two\nlines', '"two\nlines"'],
    ['=1+1', "'=1+1"],
    ['@x', "'@x"],
    ['-5', "'-5"],
  ]
  for (const [text, written] of rows) t.equal(cell(text), written)
})

t.test('a line has the chosen columns before its text', async (t) => {
  const values: [string, string, object][] = [
    ['1700000000000000001', 'level=info status=200 path=/a', { structuredMetadata: { trace: 't1' } }],
  ]
  const [entry] = entriesOf([{ stream: { app: 'shop' }, values }], 'backward')
  if (entry === undefined) return t.fail('there is one')
  t.equal(csvHead(['status', 'trace']), 'timestamp,ns,level,service,status,trace,line,labels,metadata\r\n')
  t.equal(
    csvOf(entry, ['status', 'trace', 'none']),
    '2023-11-14T22:13:20.000000001Z,1700000000000000001,unknown,shop,200,t1,,level=info status=200 path=/a,' +
      '"{""app"":""shop""}","{""trace"":""t1""}"\r\n',
  )
})

t.test('series are columns over all times that one of them has', async (t) => {
  const series = [
    { metric: { app: 'a' }, values: [[1, '2'] as const, [3, '4'] as const] },
    { metric: {}, values: [[3, '5'] as const] },
  ]
  t.equal(
    seriesCsv(series),
    'timestamp,"{app=""a""}",{}\r\n1970-01-01T00:00:01.000Z,2,\r\n1970-01-01T00:00:03.000Z,4,5\r\n',
  )
})
