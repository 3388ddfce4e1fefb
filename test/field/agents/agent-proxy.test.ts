import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { freePort } from '../../support/gateway-process.ts'
import { AgentProxy } from './agent-proxy.ts'

async function startServer(t: Test) {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    request.resume().on('end', () => response.writeHead(204).end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await AgentProxy.start((server.address() as AddressInfo).port)
  t.teardown(async () => {
    await proxy.close()
    server.closeAllConnections()
    server.close()
  })
  const push = () => fetch(`http://127.0.0.1:${proxy.port}/push`, { method: 'POST', body: 'x'.repeat(1000) })
  return { proxy, push, requests: () => requests, cut: () => server.closeAllConnections() }
}

t.test('answers pass, and are counted by their status', async (t) => {
  const { proxy, push } = await startServer(t)
  t.equal((await push()).status, 204)
  t.equal((await push()).status, 204)
  t.strictSame([proxy.statuses, proxy.refused, proxy.broken], [{ 204: 2 }, 0, 0])
})

t.test('the moment `request` is when the bytes of a request pass', async (t) => {
  const { proxy, push, cut } = await startServer(t)
  await push()
  const struck = proxy.strikeAt('request', cut)
  await t.rejects(push())
  await struck
  t.strictSame([proxy.statuses, proxy.broken], [{ 204: 1 }, 1])
})

t.test('the moment `answer` is when the gateway responds, and the agent gets no response', async (t) => {
  const { proxy, push, requests } = await startServer(t)
  const struck = proxy.strikeAt('answer', () => undefined)
  await t.rejects(push())
  await struck
  t.equal(requests(), 1)
  t.strictSame([proxy.statuses, proxy.broken], [{}, 1])
  t.equal((await push()).status, 204, 'only once')
})

t.test('a gateway that does not listen refuses', async (t) => {
  const proxy = await AgentProxy.start(await freePort())
  t.teardown(() => proxy.close())
  await t.rejects(fetch(`http://127.0.0.1:${proxy.port}/push`, { method: 'POST', body: 'x' }))
  t.strictSame([proxy.statuses, proxy.refused, proxy.broken], [{}, 1, 0])
})
