import t from 'tap'
import { isPlain, partsOf, stripAnsi, visible } from '../../web/lines/ansi.ts'
import { compareNs, entriesOf, nameOf } from '../../web/lines/entry.ts'
import { extrasOf, pretty, readLine } from '../../web/lines/message.ts'
import { fold } from '../../web/lines/stack.ts'

t.test('a line is parsed as JSON, logfmt or text', async (t) => {
  const json = readLine(
    '{"level":"error","msg":"wheel stands","http":{"status":500},"tags":["a"],"id":12345678901234567890}',
  )
  t.match(json, { form: 'json', message: 'wheel stands' })
  t.strictSame(
    extrasOf(json).map(({ name, value }) => `${name}=${value}`),
    ['http.status=500', 'tags=["a"]', 'id=12345678901234567890'],
    'long numbers keep their digits',
  )
  t.strictSame(json.fields.find(({ name }) => name === 'http.status')?.path, ['http', 'status'])
  const logfmt = readLine('level=warn msg="a \\"b\\" c" path=/x took=3ms')
  t.match(logfmt, { form: 'logfmt', message: 'a "b" c' })
  t.strictSame(
    extrasOf(logfmt).map(({ name, value }) => `${name}=${value}`),
    ['path=/x', 'took=3ms'],
  )
  for (const line of ['plain words', 'a=1', 'see http://x?a=1&b=2', '[1,2]', '{"a":', '']) {
    t.strictSame(readLine(line), { form: 'text', message: line, fields: [] }, line)
  }
})

t.test('JSON is indented only if its numbers stay exact', async (t) => {
  t.equal(pretty('{"a":1}'), '{\n  "a": 1\n}')
  t.equal(pretty('{"a":12345678901234567890}'), undefined)
  t.equal(pretty('words'), undefined)
})

t.test('terminal codes become styles, other control characters become visible', async (t) => {
  const text = '\u001b[1;31mred\u001b[0m plain \u001b[38;5;1mnot a code\u001b[39m\u001b[2K'
  t.notOk(isPlain(text))
  t.strictSame(partsOf(text), [
    { text: 'red', style: 'a1 bold' },
    { text: ' plain ', style: '' },
    { text: 'not a code', style: '' },
  ])
  t.equal(stripAnsi(text), 'red plain not a code')
  t.equal(visible('a\u0000b\u202ec\td'), 'a\u2400b\ufffdc\td')
  t.ok(isPlain('two\nlines\tü'))
})

t.test('continuation lines are folded, and stack traces are recognised', async (t) => {
  t.strictSame(fold('one'), { head: 'one', more: 0, isStack: false })
  t.strictSame(fold('one\n'), { head: 'one', more: 0, isStack: false })
  t.strictSame(fold('Error: x\n    at f (a.js:1)\n    at g (b.js:2)\n'), { head: 'Error: x', more: 2, isStack: true })
  t.match(fold('x\nTraceback (most recent call last):\n  File "a.py", line 1'), { isStack: true })
})

t.test('entries are sorted by nanoseconds, which exceed the precision of a number', async (t) => {
  const values: [string, string][] = [
    ['1700000000000000001', 'b'],
    ['1700000000000000000', 'a'],
    ['999', 'c'],
  ]
  const entries = entriesOf([{ stream: { app: 'x' }, values }], 'backward')
  t.equal(entries.map(({ line }) => line).join(''), 'bac')
  t.equal(compareNs('999', '1000'), -1)
  t.not(nameOf(entries[0] as never), nameOf(entries[1] as never))
})
