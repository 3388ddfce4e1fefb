import { createServer } from 'node:http'
import t from 'tap'
import { listen, manyLines, portOf, runAsking } from '../asking.ts'

const SHOP = '{app="shop"}'

t.test('lines are shown as text, newest first, with time, level and labels', async (t) => {
  const { run, push, clock } = await listen(t)
  await push([
    { stream: { app: 'shop' }, values: [[String(clock.nowNs - 5_000_000n), 'level=error the wheel stands']] },
  ])
  await push([{ stream: { app: 'shop' }, values: [[String(clock.nowNs - 9_000_000n), 'before']] }])
  const { code, lines, notes } = await run(['query', SHOP])
  t.match({ code, notes }, { code: 0, notes: 'Common labels: {app="shop", service_name="shop"}\n' })
  t.equal(lines.length, 2)
  const [day, zone] = [String.raw`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d`, String.raw`[+-]\d\d:\d\d`]
  t.match(lines[0], new RegExp(`${day}.995${zone} error    level=error the wheel`))
  t.equal(Date.parse((lines[0] as string).split(' ')[0] as string), clock.ms - 5)
  t.match(lines[1], /before$/)
})

t.test('more lines than a page are fetched page by page, without duplicates or gaps', async (t) => {
  const { run, push, clock } = await listen(t)
  await push(manyLines(2500, clock.nowNs))
  const numbers = Array.from({ length: 2500 }, (_, i) => `line ${i + 1}`)
  const forward = await run(['query', SHOP, '--limit', '10000', '--output', 'raw', '--direction', 'forward'])
  t.strictSame(forward.lines, numbers)
  const backward = await run(['query', SHOP, '--limit', '2100', '--output', 'raw'])
  t.strictSame(backward.lines, numbers.toReversed().slice(0, 2100))
})

t.test('lines with the same time are complete across pages', async (t) => {
  const { run, push, clock } = await listen(t)
  const ns = String(clock.nowNs - 1_000_000_000n)
  const values = Array.from({ length: 1700 }, (_, i) => [ns, `line ${i}`])
  await push([...manyLines(500, clock.nowNs), { stream: { app: 'shop', part: 'b' }, values }])
  for (const direction of ['forward', 'backward']) {
    const { lines } = await run(['query', SHOP, '--limit', '9999', '--output', 'json', '--direction', direction])
    t.equal(new Set(lines).size, 2200, direction)
    t.equal(lines.length, 2200, direction)
  }
})

t.test('lines that a query formats to the same text are all shown', async (t) => {
  const { run, push, clock } = await listen(t)
  const ns = String(clock.nowNs - 1n)
  await push([{ stream: { app: 'shop' }, values: Array.from({ length: 1500 }, (_, i) => [ns, `line ${i}`]) }])
  const { lines } = await run(['query', `${SHOP} | line_format "same"`, '--limit', '1500', '--output', 'raw'])
  t.equal(lines.length, 1500)
})

t.test('JSON output is one object per line, with unchanged names and numbers', async (t) => {
  const { run, push, clock } = await listen(t)
  const ns = String(clock.nowNs - 1n)
  const line = '{"__proto__":"p","k":1}'
  await push([{ stream: { app: 'shop' }, values: [[ns, line, { trace: 't1' }]] }])
  const { out } = await run(['query', `${SHOP} | json k="k"`, '--output', 'json'])
  t.equal(
    out,
    `{"timestamp":"${ns}","time":"2026-11-21T11:59:59.999999999Z","labels":{"app":"shop","service_name":"shop"},` +
      `"line":${JSON.stringify(line)},"structuredMetadata":{"detected_level":"unknown","trace":"t1"},"parsed":{"k":"1"}}\n`,
  )
})

t.test('text output cannot control a terminal, raw lines are unchanged', async (t) => {
  const { run, push, clock } = await listen(t)
  const line = 'a\u001b[2Jb\nc\td\u009b'
  await push([{ stream: { app: 'shop' }, values: [[String(clock.nowNs - 1n), line, { level: 'warn' }]] }])
  const colored = await run(['query', SHOP], { hasColors: true })
  t.match(colored.out, '\u001b[33mwarn')
  t.ok(colored.out.endsWith('a\u241b[2Jb\n    c\td\u2421\n'))
  t.ok((await run(['query', SHOP])).out.endsWith('a\u241b[2Jb\n    c\td\u2421\n'))
  t.equal((await run(['query', SHOP, '--output', 'raw'])).out, `${line}\n`)
})

t.test('JSON escapes what would control a terminal, and text replaces it', async (t) => {
  const { run, push, clock } = await listen(t)
  const line = 'a\u009b1mb\u202ec\u2028d\u2066e'
  await push([{ stream: { app: 'shop', text: line }, values: [[String(clock.nowNs - 1n), line]] }])
  const { out } = await run(['query', SHOP, '--output', 'json'])
  t.notMatch(out, /[\u0080-\u009f\u2028-\u202e\u2066-\u2069]/)
  t.match(JSON.parse(out), { line, labels: { text: line } })
  t.ok((await run(['query', SHOP])).out.endsWith('a\u24211mb\ufffdc\ufffdd\ufffde\n'))
})

t.test('a metric query is shown as a table: a range by series, an instant with one row per series', async (t) => {
  const { run, push, clock } = await listen(t)
  await push(manyLines(100, clock.nowNs))
  await push(manyLines(5, clock.nowNs, { app: 'mill' }))
  const counts = 'sum by (app) (count_over_time({app=~".+"}[1h]))'
  const instant = await run(['query', counts, '--instant'])
  t.equal(instant.out, '  5  {app="mill"}\n100  {app="shop"}\n')
  const range = await run(['query', counts, '--since', '1m', '--step', '30'])
  t.match(range.lines, ['{app="mill"}', /^ {2}2026-\d\d-\d\dT\S+ {2}5$/])
  t.ok(range.out.includes('\n\n{app="shop"}\n'))
  const ends = range.lines
    .filter((line) => line.startsWith('  '))
    .map((line) => Date.parse(line.trim().split(' ')[0] ?? ''))
  t.ok(ends.length > 0 && ends.every((ms) => ms <= clock.ms), 'no numbers of the future')
  const json = await run(['query', counts, '--instant', '--output', 'json'])
  t.strictSame(JSON.parse(json.lines[1] as string), { metric: { app: 'shop' }, values: [[clock.ms / 1000, '100']] })
  t.equal((await run(['query', counts, '--instant', '--output', 'raw'])).out, '5\n100\n')
  t.equal((await run(['query', '1+1', '--instant', '--output', 'raw'])).out, '2\n')
})

const TIMES: readonly (readonly [name: string, args: readonly string[], lines: readonly string[]])[] = [
  ['a duration', ['--since', '3500ms'], ['line 8', 'line 9', 'line 10']],
  ['a relative start', ['--from', '2s'], ['line 9', 'line 10']],
  ['a relative end, exclusive', ['--from', '4s', '--to', '2s'], ['line 7', 'line 8']],
  ['RFC 3339', ['--from', '2026-11-21T11:59:58.5Z', '--to', 'now'], ['line 10']],
  ['seconds', ['--from', '1795262398', '--to', '1795262399'], ['line 9']],
  ['nanoseconds', ['--from', '1795262398000000001'], ['line 10']],
  ['since before the end', ['--since', '1s', '--to', '2026-11-21T11:59:59Z'], ['line 9']],
]
for (const [name, args, wanted] of TIMES) {
  t.test(`times: ${name}`, async (t) => {
    const { run, push, clock } = await listen(t)
    await push(manyLines(10, clock.nowNs))
    t.strictSame((await run(['query', SHOP, '--output', 'raw', '--direction', 'forward', ...args])).lines, wanted)
  })
}

t.test('a time without a zone is local', async (t) => {
  const { run, push, clock } = await listen(t)
  await push(manyLines(3, clock.nowNs))
  const local = new Date(clock.ms - 2000 - new Date(clock.ms).getTimezoneOffset() * 60_000).toISOString()
  const from = local.slice(0, 19).replace('T', ' ')
  t.strictSame((await run(['query', SHOP, '--output', 'raw', '--from', from])).lines, ['line 3', 'line 2'])
})

t.test('an empty result is not a failure, and is reported', async (t) => {
  const { run } = await listen(t)
  t.match(await run(['query', SHOP]), { code: 0, out: '', notes: /Nothing found/ })
})

const WRONG: readonly (readonly [name: string, args: readonly string[], text: RegExp])[] = [
  ['no query', [], /got 0 queries/],
  ['two queries', [SHOP, SHOP], /got 2 queries/],
  ['an unknown output', [SHOP, '--output', 'xml'], /--output must be one of text, wide, table, json, raw/],
  ['a limit of zero', [SHOP, '--limit', '0'], /--limit must be a whole number/],
  ['a limit in words', [SHOP, '--limit', 'many'], /--limit must be a whole number/],
  ['an unknown direction', [SHOP, '--direction', 'up'], /--direction must be/],
  ['an invalid duration', [SHOP, '--since', 'long'], /--since must be a duration/],
  ['an invalid time', [SHOP, '--from', 'yesterday'], /--from is 'yesterday'/],
  ['an invalid date', [SHOP, '--from', '2026-13-41'], /--from is not a valid date or time/],
  ['swapped times', [SHOP, '--from', '1h', '--to', '2h'], /--from must be before --to/],
  ['an invalid URL', [SHOP, '--url', 'gateway:3100'], /--url is not a URL/],
  ['an unknown option', [SHOP, '--sinse', '1h'], /Unknown option '--sinse'/],
]
for (const [name, args, text] of WRONG) {
  t.test(`wrong usage: ${name}`, async (t) => {
    const ran = await runAsking(['query', ...args], { nowMs: () => 0 })
    t.match(ran, { code: 2, out: '', notes: text })
    t.match(ran.notes, 'Usage: millrace query QUERY')
  })
}

t.test("an error of the gateway fails with the gateway's message", async (t) => {
  const { run } = await listen(t)
  t.match(await run(['query', '{app=']), { code: 1, out: '', notes: /responded with 400: parse error at line 1/ })
  t.match(await run(['query', SHOP, '--instant']), {
    code: 1,
    notes: /responded with 400: log queries are not supported/,
  })
})

t.test('every request has the credentials and the tenant', async (t) => {
  const { run, push, clock } = await listen(t, { MILLRACE_USERS: 'reader:secret' })
  const headers = { authorization: `Basic ${btoa('reader:secret')}`, 'x-scope-orgid': 'team-a' }
  await push(manyLines(1, clock.nowNs), headers)
  t.match(await run(['query', SHOP]), { code: 1, notes: /responded with 401: .*give credentials with --user/ })
  t.match(await run(['query', SHOP, '--user', 'reader:secret', '--tenant', 'team-a']), { code: 0, out: /line 1\n$/ })
  t.match(await run(['query', SHOP, '--user', 'reader:secret']), { code: 0, out: '' })
})

t.test('an unreachable gateway is reported', async (t) => {
  const ran = await runAsking(['query', SHOP, '--url', 'http://127.0.0.1:1'], { nowMs: () => 0 })
  t.match(ran, { code: 1, notes: /http:\/\/127.0.0.1:1 cannot be reached: .*give its address with --url/ })
})

const ANSWERS: readonly (readonly [name: string, body: string])[] = [
  ['a page of HTML', '<html></html>'],
  ['an empty body', ''],
  ['null', 'null'],
  ['no data', '{}'],
  ['an unknown kind', '{"data":{"resultType":"trees","result":[]}}'],
  ['invalid streams', '{"data":{"resultType":"streams","result":{}}}'],
  ['an invalid time', '{"data":{"resultType":"streams","result":[{"stream":{},"values":[["x","y"]]}]}}'],
  ['invalid points', '{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,2]]}]}}'],
]
for (const [name, body] of ANSWERS) {
  t.test(`an invalid response fails with a message: ${name}`, async (t) => {
    const server = createServer((_request, response) => response.end(body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const url = `http://127.0.0.1:${portOf(server.address())}`
    t.match(await runAsking(['query', SHOP], { url, nowMs: Date.now }), { code: 1, notes: /is --url/ })
  })
}

t.test('lists label names, and the values of a label', async (t) => {
  const { run, push, clock } = await listen(t)
  await push(manyLines(1, clock.nowNs, { app: 'shop', env: 'a/b c' }))
  await push(manyLines(1, clock.nowNs, { app: 'mill' }))
  t.strictSame((await run(['labels'])).lines, ['app', 'env', 'service_name'])
  t.strictSame((await run(['labels', 'app'])).lines, ['mill', 'shop'])
  t.strictSame((await run(['labels', 'app', '--match', '{env=~".+"}'])).lines, ['shop'])
  t.match(await run(['labels', 'app', '--to', '2h']), { code: 0, out: '', notes: /Nothing in this time range/ })
  t.match(await run(['labels', 'a', 'b']), { code: 2, notes: /got several names/ })
})

t.test('incidents are listed one per line, over several pages up to the limit', async (t) => {
  const asked: string[] = []
  const item = (id: number) => ({
    id: `${id}`.padStart(32, '0'),
    state: 'open',
    severity: 'error',
    count: id,
    title: `wheel\n${id}`,
    labels: { app: 'shop' },
    lastSeen: '2026-11-21T12:00:00.000Z',
  })
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const isFirst = !request.url?.includes('nextToken')
    const items = isFirst ? [item(1), item(2)] : [item(3)]
    response.end(JSON.stringify({ items, hasMore: isFirst, ...(isFirst && { nextToken: 'more' }) }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const options = { url: `http://127.0.0.1:${portOf(server.address())}`, nowMs: () => Date.UTC(2026, 10, 21, 12) }
  const { code, lines } = await runAsking(['incidents', '--state', 'open', '--since', '1h', '--limit', '3'], options)
  t.equal(code, 0)
  t.equal(lines.length, 3)
  t.match(lines[2], /^2026-\S+ {2}open {10}error {9}3× {2}0{31}3 {2}wheel 3 {2}\{app="shop"\}$/)
  t.strictSame(asked, [
    '/incidents?state=open&since=2026-11-21T11%3A00%3A00.000Z&limit=3',
    '/incidents?state=open&since=2026-11-21T11%3A00%3A00.000Z&limit=1&nextToken=more',
  ])
  t.strictSame(JSON.parse((await runAsking(['incidents', '--output', 'json'], options)).lines[0] as string), item(1))
})

t.test('push accepts the common options', async (t) => {
  const { run } = await listen(t)
  t.match(await run(['push', '--label', 'app=shop', '--line', 'one', '--line=two']), {
    code: 0,
    out: '2 lines pushed\n',
  })
  t.match(await run(['push', '--label', 'app=shop'], { stdin: ['three\nfo', 'ur\n'] }), { out: '2 lines pushed\n' })
  t.strictSame((await run(['query', SHOP, '--output', 'raw', '--direction', 'forward'])).lines.toSorted(), [
    'four',
    'one',
    'three',
    'two',
  ])
})

t.test('labels that all lines have are said once, the others on each line', async (t) => {
  const { run, push, clock } = await listen(t)
  await push([
    ...manyLines(1, clock.nowNs, { app: 'shop', pod: 'a' }),
    ...manyLines(1, clock.nowNs, { app: 'shop', pod: 'b' }),
  ])
  const { notes, lines } = await run(['query', SHOP])
  t.equal(notes, 'Common labels: {app="shop", service_name="shop"}\n')
  t.match(
    lines.toSorted((a, b) => (a.slice(30) < b.slice(30) ? -1 : 1)),
    [/\{pod="a"\} line 1$/, /\{pod="b"\} line 1$/],
  )
})

/** [name, arguments, what is shown] */
const LOOKS: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['UTC', ['--zone', 'utc'], /^2026-11-21T11:59:59\.000\+00:00 /],
  ['a zone', ['--zone', 'Asia/Kolkata'], /^2026-11-21T17:29:59\.000\+05:30 /],
  [
    'wide, with metadata',
    ['-o', 'wide'],
    /\{app="shop", .*\} \{detected_level="warn", trace="t1"\} level=warn status=500/,
  ],
  ['parsed labels in wide', ['-o', 'wide', '{app="shop"} | logfmt'], /status="500"/],
  ['columns', ['--columns', 'trace,none'], / t1 - level=warn/],
  [
    'a table',
    ['-o', 'table', '--zone', 'utc', '--columns', 'app,trace'],
    /^TIME \(utc\) +LEVEL +app +trace +LINE\n2026-11-21T11:59:59\.000 warn +shop +t1 +level=warn/,
  ],
  [
    'a template',
    ['-o', 'template', '--template', '{{.ns}} {{ .level }} {{.app}} {{.none}}|{{.line}}'],
    /^\d{19} warn shop \|level=warn status=500\n$/,
  ],
  ['colours always', ['--color', 'always'], new RegExp(`${String.fromCharCode(27)}\\[33mwarn`)],
]
for (const [name, args, shown] of LOOKS) {
  t.test(`a line is shown as asked: ${name}`, async (t) => {
    const { run, push, clock } = await listen(t)
    const ns = String(clock.nowNs - 1_000_000_000n)
    await push([{ stream: { app: 'shop' }, values: [[ns, 'level=warn status=500', { trace: 't1' }]] }])
    const { code, out, notes } = await run(
      args.some((arg) => arg.startsWith('{app=')) ? ['query', ...args] : ['query', SHOP, ...args],
    )
    t.equal(code, 0, notes)
    t.match(out, shown)
  })
}

const LOOKS_WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [['--zone', 'Mars/Base'], /--zone "Mars\/Base" is unknown/],
  [['--color', 'blue'], /--color must be auto/],
  [['-o', 'template'], /needs --template/],
]
for (const [args, text] of LOOKS_WRONG) {
  t.test(`wrong usage: ${args.join(' ')}`, async (t) => {
    t.match(await runAsking(['query', SHOP, ...args], { nowMs: () => 0 }), { code: 2, notes: text })
  })
}
