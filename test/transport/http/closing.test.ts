import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import type { LogStore } from '../../../src/ports/log-store.ts'
import { buildTestApp } from '../../support/test-app.ts'

t.test('a connection without a request ends at once when the application closes', async (t) => {
  const { app } = await buildTestApp(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  const ended = once(socket.resume(), 'close')
  await once(app.server, 'connection')
  await app.close()
  await ended
  t.ok(socket.destroyed)
})

t.test('a push under way is answered before its connection ends', async (t) => {
  const { address, pushed, close, goOn } = await closingApp(t)
  t.match(address, /^http/)
  const closed = close()
  goOn()
  t.equal((await pushed).status, 201)
  await closed
})

/** Every push route, and a query, with the response to a rejected request. */
const DOORS: [path: string, type: string, body: RegExp][] = [
  ['/loki/api/v1/push', 'application/json', /^the gateway is stopping .*\n$/],
  ['/loki/api/v1/push', 'application/x-protobuf', /^the gateway is stopping .*\n$/],
  ['/api/prom/push', 'application/json', /^the gateway is stopping .*\n$/],
  ['/otlp/v1/logs', 'application/json', /^\{"message":"the gateway is stopping .*"\}$/],
  // google.rpc.Status: a tag, a length, the message.
  ['/otlp/v1/logs', 'application/x-protobuf', /^[^{]{2}the gateway is stopping [^{}]*$/],
  ['/v1/logs', 'application/x-protobuf', /^[^{]{2}the gateway is stopping [^{}]*$/],
  ['/logs', 'application/json', /^\{"error":\{"code":"stopping","message":".*"\}\}\n$/],
  ['/loki/api/v1/query?query=vector(1)', 'application/x-www-form-urlencoded', /^the gateway is stopping .*\n$/],
]

t.test('requests on open connections get 503 while the application closes, in the form of their route', async (t) => {
  const { app, pushed, close, goOn } = await closingApp(t)
  const { port } = app.server.address() as AddressInfo
  // Agents keep connections open; these are in the middle of their second request when the application starts to close.
  const sockets = DOORS.map(([path, type]) => {
    const socket = connect(port, '127.0.0.1')
    const begin = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}\r\n`
    socket.write(`GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${begin}`)
    return socket
  })
  await Promise.all(sockets.map((socket) => once(socket, 'data')))
  const closed = close()
  const answers = sockets.map((socket) => {
    socket.write('Content-Length: 2\r\n\r\n{}')
    return readAll(socket)
  })
  for (const [i, answer] of (await Promise.all(answers)).entries()) {
    const [path, type, body] = DOORS[i] as (typeof DOORS)[number]
    const [head = '', text = ''] = answer.split('\r\n\r\n')
    t.match(head, /^HTTP\/1\.1 503 /, `${path} ${type}: the status`)
    t.match(head, /\r\nretry-after: 1(\r\n|$)/i, `${path} ${type}: when to retry`)
    t.match(head, /\r\nconnection: close(\r\n|$)/i, `${path} ${type}: the connection`)
    t.match(text, body, `${path} ${type}: the body`)
  }
  goOn()
  t.equal((await pushed).status, 201, 'the push that came before is stored')
  await closed
})

/** An application whose store has a push in progress until `goOn`. */
async function closingApp(t: Test) {
  let goOn: () => void = () => undefined
  let begun: () => void = () => undefined
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const wrapStore = (store: LogStore): LogStore =>
    Object.assign(Object.create(store) as LogStore, {
      append: async (batch: never) => {
        const wait = new Promise<void>((resolve) => {
          goOn = resolve
        })
        begun()
        await wait
        return store.append(batch)
      },
      figures: () => store.figures(),
    })
  const { app } = await buildTestApp(t, {}, { wrapStore })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const headers = { 'content-type': 'application/json' }
  const pushed = fetch(`${address}/logs`, { method: 'POST', headers, body: '{"message":"the last one"}' })
  await hasBegun
  return { app, address, pushed, close: () => app.close(), goOn: () => goOn() }
}

async function readAll(socket: ReturnType<typeof connect>): Promise<string> {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  await once(socket, 'close')
  return text
}
