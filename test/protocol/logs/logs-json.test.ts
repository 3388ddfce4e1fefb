import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { formatJson } from '../../../src/protocol/bytes/exact-json.ts'
import {
  decodeLogs,
  formatLogLine,
  ID_BYTES_MAX,
  isLogProblem,
  LOG_ITEMS_MAX,
  type LogItem,
  type LogProblem,
  parseLogLine,
  parseSeverity,
  SEVERITIES,
} from '../../../src/protocol/logs/logs-json.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const decode = (text: string, contentType: 'json' | 'ndjson' = 'json') => decodeLogs(bytes(text), contentType)
/** An item as plain text, for comparisons. */
const plain = (result: LogItem | LogProblem) =>
  isLogProblem(result) ? `${result.index} ${result.code}` : [result.id, result.severity, formatLogLine(result)]

t.test('accepts every form of body', async (t) => {
  const a = [undefined, 'info', '{"message":"a"}']
  const b = [undefined, 'error', '{"message":"b"}']
  const rows: [name: string, type: 'json' | 'ndjson', body: string, isSingle: boolean, results: unknown[]][] = [
    ['an example', 'json', '{"severity": "error", "message": "b"}', true, [b]],
    ['an array', 'json', '[{"message":"a"},{"severity":"error","message":"b"}]', false, [a, b]],
    ['an array of one', 'json', '[{"message":"a"}]', false, [a]],
    ['objects by line', 'ndjson', '{"message":"a"}\n{"severity":"error","message":"b"}\n', false, [a, b]],
    ['one line', 'ndjson', '{"message":"a"}', false, [a]],
    ['empty lines between', 'ndjson', '\r\n{"message":"a"}\r\n\r\n{"severity":"error","message":"b"}', false, [a, b]],
    ['objects by line as JSON', 'json', '{"message":"a"}\n{"severity":"error","message":"b"}', false, [a, b]],
    ['an array as NDJSON', 'ndjson', '[\n{"message":"a"}\n]', false, [a]],
    ['a byte order mark', 'json', '\ufeff{"message":"a"}', true, [a]],
    ['an empty object', 'json', '{}', true, [[undefined, 'info', '{"message":""}']]],
    [
      'nulls for nothing',
      'json',
      '{"id":null,"severity":null,"message":null}',
      true,
      [[undefined, 'info', '{"message":""}']],
    ],
    [
      'a bad line among good ones',
      'ndjson',
      '{"message":"a"}\n{oops\n{"severity":"error","message":"b"}',
      false,
      [a, '1 body_malformed', b],
    ],
  ]
  for (const [name, type, body, isSingle, results] of rows) {
    const decoded = decode(body, type)
    t.equal(decoded.isSingle, isSingle, name)
    t.strictSame(decoded.results.map(plain), results, name)
  }
})

t.test('rejects bodies without logs', async (t) => {
  const rows: [name: string, type: 'json' | 'ndjson', body: string, message: RegExp][] = [
    ['nothing', 'json', '', /expected a value at line 1, column 1/],
    ['nothing by line', 'ndjson', '\n\n', /expected a value at line 3, column 1/],
    ['an empty array', 'json', '[]', /empty array/],
    ['text', 'json', 'secret words', /expected a value at line 1, column 1$/],
    ['text by line', 'ndjson', 'secret\nwords', /expected a value at line 1, column 1$/],
    ['a bad line under JSON', 'json', '{"message":"a"}\n{oops', /expected the end at line 2, column 1/],
    ['an object cut short', 'json', '{"message":"secret', /expected a closing quote at line 1, column 19/],
  ]
  for (const [name, type, body, message] of rows) {
    t.throws(() => decode(body, type), { code: 'body_malformed', message }, name)
  }
})

t.test('reports each rejected log, and accepts the others', async (t) => {
  const rows: [name: string, log: string, message: RegExp][] = [
    ['a number for a log', '5', /^log 1 is a number; send an object/],
    ['a nested array', '[{}]', /^log 1 is an array/],
    ['null', 'null', /^log 1 is null/],
    ['an object for a message', '{"message":{"a":1}}', /^message of log 1 is an object; send a string/],
    ['a number for a message', '{"message":1}', /^message of log 1 is a number/],
    ['a number for a severity', '{"severity":3}', /^severity of log 1 is a number; send one of trace, debug,/],
    ['an unknown severity', '{"severity":"secret"}', /^severity of log 1 is an unknown word; send one of/],
    ['an empty severity', '{"severity":""}', /^severity of log 1 is an unknown word/],
    ['a severity that objects have', '{"severity":"constructor"}', /^severity of log 1 is an unknown word/],
    ['a number for an id', '{"id":7}', /^id of log 1 is a number; send 1 to 256 bytes/],
    ['an empty id', '{"id":""}', /^id of log 1 is empty, too long or not printable/],
    ['a long id', `{"id":"${'x'.repeat(ID_BYTES_MAX + 1)}"}`, /^id of log 1 is empty, too long/],
    ['an id long in bytes', `{"id":"${'é'.repeat(ID_BYTES_MAX / 2 + 1)}"}`, /^id of log 1 is empty, too long/],
    ['a newline in an id', '{"id":"a\\nb"}', /^id of log 1 is empty, too long or not printable/],
    ['half a surrogate in an id', '{"id":"\\ud800"}', /^id of log 1 is empty, too long or not printable/],
  ]
  for (const [name, log, message] of rows) {
    const { results } = decode(`[{"message":"a"},${log},{"id":"${'i'.repeat(ID_BYTES_MAX)}"}]`)
    t.strictSame(results.map(isLogProblem), [false, true, false], name)
    t.match(results[1], { index: 1, code: 'body_malformed', message }, name)
    t.notMatch((results[1] as LogProblem).message, 'secret', name)
  }
})

t.test('keeps other keys unchanged', async (t) => {
  const rows: [name: string, log: string, line: string][] = [
    ['big integers', '{"n":9007199254740993}', '{"message":"","n":9007199254740993}'],
    ['numbers beyond a double', '{"n":1e400}', '{"message":"","n":1e400}'],
    ['nesting', '{"a": {"b": [1.50, null, true]}}', '{"message":"","a":{"b":[1.50,null,true]}}'],
    ['keys that objects have', '{"__proto__":1,"constructor":2}', '{"message":"","__proto__":1,"constructor":2}'],
    ['names of ours, nested', '{"a":{"id":1,"severity":2}}', '{"message":"","a":{"id":1,"severity":2}}'],
    ['id and severity apart', '{"id":"x","severity":"warn","message":"m","k":1}', '{"message":"m","k":1}'],
    ['line breaks as escapes', '{"message":"a\\nb"}', '{"message":"a\\nb"}'],
  ]
  for (const [name, log, line] of rows) t.equal(formatLogLine(decode(log).results[0] as LogItem), line, name)
})

t.test('takes level and msg, as pino and bunyan write them, where severity and message are missing', async (t) => {
  const rows: [log: string, severity: string, line: string][] = [
    ['{"level":30,"msg":"a"}', 'info', '{"message":"a","level":30}'],
    ['{"level":50,"msg":"a","pid":7}', 'error', '{"message":"a","level":50,"pid":7}'],
    ['{"level":10,"msg":"a"}', 'trace', '{"message":"a","level":10}'],
    ['{"level":35,"msg":"a"}', 'info', '{"message":"a","level":35}'],
    ['{"level":60,"msg":"a"}', 'fatal', '{"message":"a","level":60}'],
    ['{"level":"warn","msg":"a"}', 'warning', '{"message":"a"}'],
    ['{"severity":40,"message":"a"}', 'warning', '{"message":"a"}'],
    ['{"severity":"error","level":"info","message":"a"}', 'error', '{"message":"a","level":"info"}'],
    ['{"message":"a","msg":"b"}', 'info', '{"message":"a","msg":"b"}'],
    ['{"message":null,"msg":"b"}', 'info', '{"message":"b"}'],
    ['{"level":"loud","msg":5}', 'info', '{"message":"","level":"loud","msg":5}'],
    ['{"level":7}', 'info', '{"message":"","level":7}'],
    ['{"level":{"name":"x"}}', 'info', '{"message":"","level":{"name":"x"}}'],
  ]
  for (const [log, severity, line] of rows) {
    t.strictSame(decode(log).results.map(plain), [[undefined, severity, line]], log)
  }
})

t.test('knows severities in any case and by their other names', async (t) => {
  for (const severity of SEVERITIES) t.equal(parseSeverity(severity.toUpperCase()), severity)
  const rows = { warn: 'warning', ERR: 'error', Information: 'info', dbg: 'debug', crit: 'critical', panic: 'fatal' }
  for (const [word, severity] of Object.entries(rows)) t.equal(parseSeverity(word), severity, word)
  for (const word of ['', 'severe', '__proto__', 'toString', ' info']) t.equal(parseSeverity(word), undefined, word)
})

t.test('accepts logs up to its limit and rejects more', async (t) => {
  const lines = (count: number) => '{}\n'.repeat(count)
  const array = (count: number) => `[${Array(count).fill('{}').join(',')}]`
  t.equal(decode(lines(LOG_ITEMS_MAX), 'ndjson').results.length, LOG_ITEMS_MAX)
  t.equal(decode(array(LOG_ITEMS_MAX)).results.length, LOG_ITEMS_MAX)
  t.throws(() => decode(lines(LOG_ITEMS_MAX + 1), 'ndjson'), { code: 'body_too_large' })
  t.throws(() => decode(array(LOG_ITEMS_MAX + 1)), { code: 'body_too_large' })
})

t.test('reads back the line it wrote', async (t) => {
  const log = fc.record({ message: fc.string({ unit: 'binary' }), other: fc.json() })
  fc.assert(
    fc.property(log, ({ message, other }) => {
      const text = `[{"message":${JSON.stringify(message)},"other":${other}}]`
      const item = decode(text).results[0] as LogItem
      const line = formatLogLine(item)
      const parsed = parseLogLine(line)
      const isSame = parsed?.message === message && formatJson(parsed.fields) === formatJson(item.fields)
      return isSame && !line.includes('\n')
    }),
  )
  t.pass('for every log')
})

t.test('recognises lines of other writers', async (t) => {
  const rows = ['plain text', '', '{oops', '{"a":1}', '{"message":5}', '[{"message":"a"}]', '"message"', 'null']
  for (const line of rows) t.equal(parseLogLine(line), undefined, line)
})

t.test('gives results or a GatewayError for any bytes', async (t) => {
  const check = (body: Uint8Array, contentType: 'json' | 'ndjson') => {
    try {
      const { results } = decodeLogs(body, contentType)
      if (results.length === 0) t.fail('results are empty')
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
    }
  }
  const contentType = fc.constantFrom('json' as const, 'ndjson' as const)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), contentType, check))
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"id":',
    '"severity":',
    '"message":',
    '"a"',
    ',',
    '\n',
    '1',
    'null',
  )
  const nearly = fc.array(pieces, { maxLength: 20 }).map((parts) => bytes(parts.join('')))
  fc.assert(fc.property(nearly, contentType, check), { numRuns: 2000 })
  t.pass('no other error')
})
