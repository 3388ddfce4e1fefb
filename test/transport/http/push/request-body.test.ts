import { PassThrough, Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { BodyReader } from '../../../../src/transport/http/push/request-body.ts'

const MIB = 2 ** 20

/** A request whose body arrives in these pieces; `declared` undefined: without Content-Length. */
function requestOf(pieces: Iterable<Buffer> | Readable | undefined, declared?: number): FastifyRequest {
  const headers = declared === undefined ? {} : { 'content-length': String(declared) }
  const body = pieces === undefined || pieces instanceof Readable ? pieces : Readable.from(pieces)
  return { headers, body } as unknown as FastifyRequest
}

t.test('a body is read completely, in any pieces and with or without Content-Length', async (t) => {
  const reader = new BodyReader({ bodyBytesMax: 10 * MIB, inflightBytesMax: 64 * MIB })
  const sizes = [0, 1, 65_536, 65_537, MIB, MIB + 1, 3 * MIB + 5, 10 * MIB]
  for (const size of sizes) {
    const whole = Buffer.alloc(size, 'abcdefghijk')
    const pieces = Array.from({ length: Math.ceil(size / 50_001) }, (_, i) =>
      whole.subarray(i * 50_001, (i + 1) * 50_001),
    )
    for (const declared of [size, undefined]) {
      const body = await reader.read(requestOf(pieces, declared))
      t.ok(whole.equals(body.bytes), `${size} bytes, ${declared === undefined ? 'not ' : ''}declared`)
      body.release()
    }
  }
  t.equal(reader.heldBytes, 0)
})

t.test('announced bodies that do not arrive use little memory', async (t) => {
  const reader = new BodyReader({ bodyBytesMax: 100 * MIB, inflightBytesMax: 256 * MIB })
  const silent = Array.from({ length: 20 }, () => new PassThrough())
  const reads = silent.map((body) => reader.read(requestOf(body, 100 * MIB)))
  t.ok(reader.heldBytes <= 20 * MIB)
  const other = await reader.read(requestOf([Buffer.alloc(50 * MIB)], 50 * MIB))
  other.release()
  for (const body of silent) body.end()
  for (const body of await Promise.all(reads)) body.release()
  t.equal(reader.heldBytes, 0)
})

t.test('a body larger than the limit is rejected before or while it arrives, and its memory is released', async (t) => {
  const reader = new BodyReader({ bodyBytesMax: MIB, inflightBytesMax: 64 * MIB })
  await t.rejects(reader.read(requestOf([], MIB + 1)), { code: 'body_too_large' })
  await t.rejects(reader.read(requestOf([Buffer.alloc(MIB), Buffer.alloc(1)])), { code: 'body_too_large' })
  t.equal(reader.heldBytes, 0)
})

t.test('a request without a body has an empty one', async (t) => {
  const reader = new BodyReader({ bodyBytesMax: MIB, inflightBytesMax: 64 * MIB })
  const read = Readable.from([])
  for await (const _ of read) t.fail('there is nothing to read')
  for (const body of [undefined, read]) {
    const loan = await reader.read(requestOf(body))
    t.equal(loan.bytes.length, 0)
    loan.release()
  }
  t.equal(reader.heldBytes, 0)
})

t.test('a body that breaks off is incomplete, however it does so, and its memory is released', async (t) => {
  const reader = new BodyReader({ bodyBytesMax: MIB, inflightBytesMax: 64 * MIB })
  const breaks: [name: string, break_: (body: PassThrough) => void][] = [
    ['by an error', (body) => body.destroy(new Error('reset'))],
    ['without an error', (body) => body.destroy()],
  ]
  for (const [name, break_] of breaks) {
    const early = new PassThrough()
    early.on('error', () => undefined)
    break_(early)
    await t.rejects(reader.read(requestOf(early)), { code: 'body_malformed' }, `before it is read, ${name}`)
    const late = new PassThrough()
    const reading = reader.read(requestOf(late))
    late.write('half')
    break_(late)
    await t.rejects(reading, { code: 'body_malformed' }, name)
  }
  t.equal(reader.heldBytes, 0)
})

t.test('a body that is too large is not read on', async (t) => {
  const reader = new BodyReader({ bodyBytesMax: 10, inflightBytesMax: 64 * MIB })
  const body = new PassThrough()
  const reading = reader.read(requestOf(body))
  body.write(Buffer.alloc(11))
  await t.rejects(reading, { code: 'body_too_large' })
  t.ok(body.destroyed)
})
