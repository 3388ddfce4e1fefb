import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { LokiClient } from '../loki-details/loki-client.ts'
import { FixedClock } from '../support/helper.ts'
import { compareAnswers, formatComparison } from './comparison.ts'

const NOW_MS = new FixedClock().nowMs()
const FILES = globSync('test/language/cases/*.txt').sort()

async function listen(t: Test, app: FastifyInstance): Promise<string> {
  t.teardown(() => app.close())
  return app.listen({ port: 0, host: '127.0.0.1' })
}

async function startGateway(t: Test): Promise<{ app: FastifyInstance; url: string }> {
  const { app } = await LokiClient.start(t)
  return { app, url: await listen(t, app) }
}

/** A proxy to the gateway that requests the smallest instead of the largest values. */
function startLiar(t: Test, app: FastifyInstance): Promise<string> {
  const liar = Fastify()
  liar.removeAllContentTypeParsers()
  liar.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  liar.all('/*', async (request, reply) => {
    const answer = await app.inject({
      method: request.method as 'GET' | 'POST',
      url: request.url.replace('topk', 'bottomk'),
      headers: { ...request.headers, 'accept-encoding': 'identity' },
      ...(typeof request.body === 'string' ? { payload: request.body } : {}),
    })
    return reply.status(answer.statusCode).type('application/json').send(answer.body)
  })
  return listen(t, liar)
}

t.test('two gateways give the same results, and differences are reported', async (t) => {
  const [left, right] = [await startGateway(t), await startGateway(t)]
  const side = (url: string) => ({ url, headers: {} })
  const options = { left: side(left.url), right: side(right.url), files: FILES, nowMs: NOW_MS }
  const same = await compareAnswers({ ...options, run: 'same' })
  t.ok(same.compared > 400, `${same.compared} queries`)
  t.equal(formatComparison(same), `${same.compared} queries, 0 with a difference`)

  const liar = await startLiar(t, right.app)
  const files = FILES.filter((file) => file.endsWith('aggregation.txt'))
  const different = await compareAnswers({ ...options, files, right: side(liar), run: 'different' })
  t.ok(different.differences.length > 0)
  for (const { place, left, right } of different.differences) {
    t.match(place, /^test\/language\/cases\/aggregation\.txt:\d+ (instant|range) .*topk/)
    t.ok(left.length + right.length > 0, 'the differing rows are reported')
  }
})

t.test('lines that were there before, of this run or another, do not come into it', async (t) => {
  const { url } = await startGateway(t)
  const side = { url, headers: {} }
  const options = { left: side, right: side, files: FILES.slice(0, 2), nowMs: NOW_MS }
  for (const run of ['one', 'one', 'two']) {
    t.strictSame((await compareAnswers({ ...options, run })).differences, [], run)
  }
})

t.test('the script ends with 0 without a difference, 1 with one, 2 where nothing can be compared', async (t) => {
  const { app, url } = await startGateway(t)
  const liar = await startLiar(t, app)
  const file = FILES.find((name) => name.endsWith('aggregation.txt')) ?? ''
  const time = ['--time', new Date(NOW_MS).toISOString()]
  const rows = [
    ['no difference', ['--left', url, '--right', url, ...time, file], 0, /^\d+ queries, 0 with a difference\n$/],
    [
      'a difference',
      ['--left', url, '--right', liar, ...time, file],
      1,
      /topk.*\n {2}left: {2}.*[\s\S]* with a difference\n$/,
    ],
    ['a header without a colon', ['--left', url, '--right', url, '--left-header', 'x', file], 2, /^x is no header/],
    ['nobody there', ['--left', url, '--right', 'http://127.0.0.1:1', ...time, file], 2, /failed/],
    ['no right side', ['--left', url], 2, /^node test\/language\/compare\.ts --left URL --right URL/],
  ] as const
  for (const [name, args, status, text] of rows) {
    const run = await runScript(args)
    t.equal(run.status, status, `${name}: ${run.output}`)
    t.match(run.output, text, name)
  }
})

function runScript(args: readonly string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['test/language/compare.ts', ...args], (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr })
    })
  })
}
