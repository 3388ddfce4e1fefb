import t from 'tap'
import { compareReplies } from './answers.ts'
import type { Question } from './question.ts'

const QUESTION: Question = { path: 'query', params: {}, query: 'rate({app="a"}[1m])', isCategorized: false }

const reply = (status: number, body: string) => ({ status, body })
const vector = (...series: readonly unknown[]) =>
  reply(
    200,
    `{"status":"success","data":{"resultType":"vector","result":${JSON.stringify(series)},"stats":{"n":${series.length}}}}\n`,
  )
const streams = (...list: readonly unknown[]) =>
  reply(200, `{"status":"success","data":{"resultType":"streams","result":${JSON.stringify(list)},"stats":{}}}`)
const one = (metric: object, value: string) => ({ metric, value: [1, value] })

t.test('equivalent replies are not a difference', async (t) => {
  const rows = [
    [
      'other statistics',
      vector(one({ a: '1' }, '2')),
      reply(200, vector(one({ a: '1' }, '2')).body.replace('"n":1', '"n":7')),
    ],
    [
      'other escapes',
      streams({ stream: {}, values: [['1', '<']] }),
      reply(200, streams({ stream: {}, values: [['1', '<']] }).body.replace('<', '\\u003c')),
    ],
    ['a line break behind a refusal', reply(400, 'no\n'), reply(400, 'no')],
  ] as const
  for (const [name, left, right] of rows) t.equal(compareReplies(QUESTION, left, right), undefined, name)
})

t.test('each difference has its kind', async (t) => {
  const entry = (line: string, third?: object) =>
    streams({ stream: { app: 'a' }, values: [['1', line, ...(third === undefined ? [] : [third])]] })
  const rows = [
    ['status 200 and 400', vector(), reply(400, 'no')],
    ['text of a 400', reply(400, 'no'), reply(400, 'never')],
    ['form of the body', reply(200, '{'), vector()],
    ['type vector and streams', vector(), streams()],
    ['labels of series', vector(one({ a: '1' }, '2')), vector(one({ a: '2' }, '2'))],
    ['a series twice', vector(one({}, '2'), one({}, '2')), vector(one({}, '2'))],
    ['values', vector(one({}, '2')), vector(one({}, '3'))],
    ['last digits', vector(one({}, '0.3')), vector(one({}, '0.30000000000000004'))],
    [
      'order of series',
      vector(one({ a: '1' }, '2'), one({ a: '2' }, '2')),
      vector(one({ a: '2' }, '2'), one({ a: '1' }, '2')),
    ],
    ['number of entries', entry('x'), streams()],
    ['lines', entry('x'), entry('y')],
    ['categories of labels', entry('x', {}), entry('x', { parsed: { a: '1' } })],
    ['labels of streams', entry('x'), streams({ stream: { app: 'b' }, values: [['1', 'x']] })],
  ] as const
  for (const [kind, left, right] of rows) t.equal(compareReplies(QUESTION, left, right)?.kind, kind, kind)
})

t.test('topk has its own kinds, because it may keep any of equal values; sort may order them either way', async (t) => {
  const [a, b] = [one({ a: '1' }, '2'), one({ a: '2' }, '2')]
  const topk = { ...QUESTION, query: 'topk(1, rate({app="a"}[1m]))' }
  t.equal(compareReplies(topk, vector(a), vector(b))?.kind, 'labels of series under topk')
  const sort = { ...QUESTION, query: '(sort(rate({app="a"}[1m])))' }
  t.equal(compareReplies(sort, vector(a, b), vector(b, a)), undefined)
  const c = one({ a: '3' }, '3')
  t.equal(compareReplies(sort, vector(a, c), vector(c, a))?.kind, 'order of sorted series')
})
