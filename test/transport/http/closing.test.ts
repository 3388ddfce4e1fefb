import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import type { LogStore } from '../../../src/ports/log-store.ts'
import { buildTestApp } from '../../support/test-app.ts'

t.test('a connection without a request ends immediately when the application closes', async (t) => {
  const { app } = await buildTestApp(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  const ended = once(socket.resume(), 'close')
  await once(app.server, 'connection')
  await app.close()
  await ended
  t.ok(socket.destroyed)
})

t.test('a push in progress is answered before its connection ends', async (t) => {
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
  const closed = app.close()
  goOn()
  t.equal((await pushed).status, 201)
  await closed
})
