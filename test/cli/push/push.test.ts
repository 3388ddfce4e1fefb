import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { testFolder } from '../../support/test-folder.ts'
import { listen, runAsking } from '../asking.ts'

const SHOP = '{app="shop"}'
const RAW = ['--output', 'raw', '--direction', 'forward', '--limit', '5000']

t.test('files are pushed line by line, in order, gzip as well', async (t) => {
  const { run } = await listen(t)
  const folder = testFolder(t, { 'a.log': 'one\ntwo\n', 'b.log': 'three' })
  writeFileSync(join(folder, 'c.log.gz'), gzipSync('four\nfive\n'))
  const files = ['a.log', 'b.log', 'c.log.gz'].map((name) => join(folder, name))
  t.match(await run(['push', '--label', 'app=shop', ...files]), { code: 0, out: '5 lines pushed\n', notes: '' })
  t.strictSame((await run(['query', SHOP, ...RAW])).lines.toSorted(), ['five', 'four', 'one', 'three', 'two'])
})

t.test('a file that is not there is an error before anything is pushed', async (t) => {
  const { run } = await listen(t)
  const folder = testFolder(t, { 'a.log': 'one\n' })
  const args = ['push', '--label', 'app=shop', join(folder, 'a.log'), join(folder, 'b.log')]
  t.match(await run(args), {
    code: 2,
    out: '',
    notes: /b\.log does not exist; name a file, or give a line with --line/,
  })
  t.match(await run(['push', '--label', 'app=shop', folder]), { code: 2, notes: /is a folder/ })
  t.strictSame((await run(['query', SHOP, ...RAW])).lines, [])
})

t.test('a file that breaks off is reported, and what was read of it and other files are pushed', async (t) => {
  const { run } = await listen(t)
  const folder = testFolder(t, { 'b.log': 'last\n' })
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i} ${(i * 2654435761) % 4294967296}\n`).join('')
  const whole = gzipSync(lines)
  writeFileSync(join(folder, 'a.log.gz'), whole.subarray(0, whole.length - 1000))
  const ran = await run(['push', '--label', 'app=shop', join(folder, 'a.log.gz'), join(folder, 'b.log')])
  t.equal(ran.code, 1)
  t.match(ran.notes, /a\.log\.gz cannot be read further: Z_BUF_ERROR: unexpected end of file/)
  t.match(ran.out, /^\d\d,\d{3} lines pushed\n$/)
  t.strictSame((await run(['query', `${SHOP} |= "last"`, ...RAW])).lines, ['last'])
})

t.test('credentials in the URL are used and never printed', async (t) => {
  const { run, url } = await listen(t, { MILLRACE_USERS: 'ada:se%cret' })
  const push = (credentials: string) =>
    run(['push', '--label', 'app=shop', '--line', 'x'], { url: url.replace('//', `//${credentials}@`) })
  t.match(await push('ada:se%25cret'), { code: 0, out: '1 line pushed\n' })
  const refused = await push('ada:hunter2')
  t.match(refused, { code: 1, notes: /rejected the credentials/ })
  t.notMatch(refused.notes, /hunter2/)
  t.match(await push('ada:se%cret'), { code: 2, notes: /write it as %25/ })
})

t.test('a URL that can never be requested is not retried', async (t) => {
  let waits = 0
  const wait = async () => {
    waits++
  }
  const ran = await runAsking(['push', '--label', 'a=b', '--line', 'x'], {
    url: 'http://127.0.0.1:1',
    nowMs: () => 0,
    wait,
  })
  t.match(ran, { code: 1, notes: /cannot be requested: bad port/ })
  t.equal(waits, 1, 'only for further lines of the batch')
})

t.test('a label that no stream can have is named', async (t) => {
  const { run } = await listen(t)
  t.match(await run(['push', '--label', 'a-b=c']), { code: 2, notes: /"a-b" is not a label name; use letters/ })
  t.match(await run(['push', '--label', 'abc']), { code: 2, notes: /--label must be NAME=VALUE/ })
})

t.test('rejected lines are named and counted, and the others are stored', async (t) => {
  const { run } = await listen(t, { MILLRACE_LINE_BYTES_MAX: '1KiB' })
  const lines = Array.from({ length: 2500 }, (_, i) => (i === 1233 ? 'x'.repeat(2000) : `line ${i + 1}`))
  const ran = await run(['push', '--label', 'app=shop'], { stdin: [`${lines.join('\n')}\n`] })
  t.equal(ran.code, 1)
  t.equal(ran.out, '2,499 pushed, 1 rejected\n')
  t.match(ran.notes, /^stdin:1234: rejected: max entry size '1024' bytes exceeded [^\n]*\n$/)
  t.equal((await run(['query', SHOP, ...RAW])).lines.length, 2499)
})

t.test('a flood of rejected lines is counted without a request for each', async (t) => {
  const { run } = await listen(t, { MILLRACE_LINE_BYTES_MAX: '1KiB' })
  const lines = Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? 'x'.repeat(2000) : `line ${i}`))
  const ran = await run(['push', '--label', 'app=shop'], { stdin: [`${lines.join('\n')}\n`] })
  t.match(ran, { code: 1, out: '250 pushed, 250 rejected\n' })
})

t.test('lines of more than 4 MiB are skipped, and named', async (t) => {
  const { run } = await listen(t)
  const ran = await run(['push', '--label', 'app=shop'], { stdin: ['a\n', 'x'.repeat(4 * 1024 * 1024 + 1), '\nb\n'] })
  t.match(ran, { code: 1, out: '2 pushed, 1 rejected\n', notes: 'stdin:2: rejected: longer than 4194304 bytes\n' })
})

t.test('lines keep the time that they state with --timestamps', async (t) => {
  const { run, clock } = await listen(t)
  const statedMs = clock.nowMs() - 60_000
  const stated = new Date(statedMs).toISOString()
  const stdin = [`${stated} started\n  at main\n`]
  t.match(await run(['push', '--label', 'app=shop', '--timestamps'], { stdin }), { code: 0 })
  const { lines } = await run(['query', SHOP, '--output', 'json', '--direction', 'forward'])
  const times = lines.map((line) => (JSON.parse(line) as { timestamp: string }).timestamp)
  t.strictSame(times, [`${statedMs}000000`, `${statedMs}000001`])
})

async function startLoki(t: Test, answers: (request: number) => readonly [status: number, text: string]) {
  let requests = 0
  const server = createServer(async (request, response) => {
    await text(request).catch(() => '')
    const [status, body] = answers(++requests)
    response.writeHead(status).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close().closeAllConnections())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const run = (stdin: string) => runAsking(['push', '--label', 'a=b'], { url, stdin: [stdin], nowMs: () => 0 })
  return { run, requests: () => requests }
}

t.test('a push is tried again while the server cannot take it', async (t) => {
  const loki = await startLoki(t, (request) => (request < 4 ? [503, 'not yet'] : [204, '']))
  t.match(await loki.run('a\nb\n'), { code: 0, out: '2 lines pushed\n' })
  t.equal(loki.requests(), 4)
})

t.test('a server that never accepts ends the command, which reports the first missing line', async (t) => {
  const loki = await startLoki(t, () => [503, 'not yet'])
  const ran = await loki.run('a\nb\n')
  t.match(ran, { code: 1, out: '' })
  t.match(ran.notes, /^0 lines pushed; lines from stdin:1 on were not pushed\nmillrace push: .* 503 not yet\n$/)
})

t.test('a batch that a Loki rejects without details is bisected', async (t) => {
  // The whole push, then its first half with both lines, each of those lines, then the second half.
  const script: (readonly [number, string])[] = [
    [400, 'bad'],
    [400, 'bad'],
    [204, ''],
    [400, 'bad line'],
    [204, ''],
  ]
  const loki = await startLoki(t, (request) => script[request - 1] ?? [500, 'too many requests'])
  const ran = await loki.run('a\nb\nc\nd\n')
  t.match(ran, { code: 1, out: '3 pushed, 1 rejected\n', notes: 'stdin:2: rejected: bad line\n' })
})

t.test('a batch that a Loki rejects completely is not bisected to every line', async (t) => {
  const loki = await startLoki(t, () => [400, 'no'])
  const ran = await loki.run(Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join(''))
  t.match(ran, { code: 1, out: /^0 pushed, 11 rejected, 989 in pushes that were rejected in part\n$/ })
  t.ok(loki.requests() < 50, `${loki.requests()} requests`)
})

t.test('wrong credentials end the command at once', async (t) => {
  const loki = await startLoki(t, () => [401, 'who are you?'])
  t.match(await loki.run('a\n'), { code: 1, notes: /rejected the credentials: 401 who are you\?/ })
  t.equal(loki.requests(), 1)
})
