import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { PUSH_LIMITS } from '../../../../src/domain/limits.ts'
import { StreamGateKeeper } from '../../../../src/flows/push/stream-gate.ts'
import { QueryTurns } from '../../../../src/flows/query/query-turns.ts'
import type { Slices } from '../../../../src/kit/slices.ts'
import type { LogStore } from '../../../../src/ports/log-store.ts'
import { Metrics } from '../../../../src/telemetry/metrics.ts'
import type { Push } from '../../../../src/transport/http/push/push.ts'
import { PushReceiver } from '../../../../src/transport/http/push/push-receiver.ts'
import { BodyReader } from '../../../../src/transport/http/push/request-body.ts'
import { THREAD } from '../../../../src/transport/http/thread.ts'
import { FixedClock, openStore, readAll } from '../../../support/helper.ts'

const BODY = Buffer.from('one line')

function request(body: Buffer, headers: Readonly<Record<string, string>> = {}): FastifyRequest {
  const all = { 'content-length': String(body.length), ...headers }
  return { headers: all, body: Readable.from([body]) } as unknown as FastifyRequest
}

function openReceiver(t: Test, wrap = (store: LogStore): LogStore => store) {
  const clock = new FixedClock()
  const store = wrap(openStore(t, clock))
  const metrics = new Metrics()
  const bodies = new BodyReader({ bodyBytesMax: 1 << 20, inflightBytesMax: 1 << 24 })
  const parts = {
    ports: { store, clock },
    gate: new StreamGateKeeper(PUSH_LIMITS, clock),
    bodies,
    metrics,
    turns: new QueryTurns(THREAD),
  }
  const receiver = new PushReceiver(parts, {
    limits: PUSH_LIMITS,
    discoverServiceName: true,
    discoverLevels: true,
    dropped: [],
    blockedUntilMs: undefined,
    blockedStatus: 260,
  })
  // biome-ignore lint/correctness/useYield: a small body is decoded at once
  const storeBody = function* (bytes: Uint8Array, { sink, nowMs }: Push): Slices<number> {
    sink.useText(bytes)
    sink.beginStream([{ name: 'app', value: 'a' }])
    sink.addEntry(Math.floor(nowMs / 1000), 0, 0, bytes.length)
    return bytes.length
  }
  return {
    receiver,
    bodies,
    store,
    metrics,
    form: { tenant: 'fake', protocol: 'loki_json', form: 'json', decode: storeBody } as const,
  }
}

t.test('a push is read, decompressed, decoded and stored, and its memory is free again', async (t) => {
  const { receiver, bodies, store, form } = openReceiver(t)
  const headers = { 'content-encoding': 'gzip' }
  const { outcome, decoded } = await receiver.receive(request(gzipSync(BODY), headers), form)
  t.match(outcome, { accepted: 1, duplicates: 0 })
  t.equal(decoded, BODY.length)
  t.equal(bodies.heldBytes, 0)
  t.match(await readAll(store), [{ line: 'one line' }])
})

t.test('a push that fails at any step releases its memory, and the next one is stored', async (t) => {
  let isDown = false
  const { receiver, bodies, store, form } = openReceiver(t, (store) =>
    Object.assign(Object.create(store) as LogStore, {
      read: store.read.bind(store),
      append: (...args: Parameters<LogStore['append']>) =>
        isDown ? Promise.reject(new GatewayError('store_unavailable', 'down')) : store.append(...args),
    }),
  )
  const badDecode = {
    ...form,
    decode: (bytes: Uint8Array, push: Push): never => {
      push.allocate(100_000)
      form.decode(bytes, push)
      throw new GatewayError('body_malformed', 'no push')
    },
  }
  const tooLarge = request(Buffer.alloc((1 << 20) + 1))
  await t.rejects(receiver.receive(tooLarge, form), { code: 'body_too_large' })
  await t.rejects(receiver.receive(request(BODY, { 'content-encoding': 'gzip' }), form), { code: 'body_malformed' })
  await t.rejects(receiver.receive(request(BODY), badDecode), { code: 'body_malformed' })
  isDown = true
  await t.rejects(receiver.receive(request(BODY), form), { code: 'store_unavailable' })
  t.equal(bodies.heldBytes, 0)
  isDown = false
  t.match((await receiver.receive(request(BODY), form)).outcome, { accepted: 1 })
  t.equal((await readAll(store)).length, 1, 'what a failed push had decoded is not among it')
})
