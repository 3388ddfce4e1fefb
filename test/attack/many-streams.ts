/** Streams in numbers: of one user who keeps out all others, and of months, which a later start has to open. */

import { type Attack, assertHolds, type Field, nowNs, pushJson } from './attack.ts'

/** What a tenant may have. */
const TENANT_STREAMS = 5000
/** More than the gateway remembered in all, in the version that counted streams. */
const TENANTS = 110
const HEAP_MB = 600
/** What 550,000 streams that are not in use may add to the memory of a start. */
const IDLE_MB_MAX = 75

/** Streams with the labels that Kubernetes gives, about 200 characters each. */
function manyStreams(tenant: number): string {
  const streams = Array.from({ length: TENANT_STREAMS }, (_, i) => {
    const pod = `checkout-${tenant.toString(36)}${i.toString(36)}-5d8f7b9c4-x${i % 977}`
    const stream = { namespace: 'shop', app: 'checkout', container: 'server', pod, node: `ip-10-0-${i % 256}-17` }
    return { stream, values: [[nowNs(i), 'x']] }
  })
  return JSON.stringify({ streams })
}

/** Pushes the streams of all tenants; resolves to the number of pushes that were taken whole. */
async function pushStreams(url: string): Promise<number> {
  let taken = 0
  for (let tenant = 0; tenant < TENANTS; tenant++) {
    if ((await pushJson(url, manyStreams(tenant), { tenant: `many-${tenant}` })) === 200) taken++
  }
  return taken
}

export const streamCap: Attack = {
  name: 'stream-cap',
  promise: `one user who begins ${TENANT_STREAMS} streams in each of ${TENANTS} tenants keeps no other tenant out`,
  async run(field) {
    const { url } = await field.start()
    const taken = await pushStreams(url)
    const line = JSON.stringify({ streams: [{ stream: { app: 'quiet' }, values: [[nowNs(), 'x']] }] })
    const status = await pushJson(url, line, { tenant: 'quiet' })
    const seen = `${taken} of ${TENANTS} pushes taken whole; the first stream of another tenant got ${status}`
    assertHolds(status === 200, seen)
    return seen
  },
}

/** Peak memory of a start, MB, and how long it took, ms. */
async function measureStart(field: Field, data: string): Promise<{ readonly mb: number; readonly ms: number }> {
  const startedMs = performance.now()
  const gateway = await field.start({ data, heapMb: HEAP_MB })
  const ms = performance.now() - startedMs
  const { peak } = gateway.rss()
  await gateway.stop()
  return { mb: peak / 1e6, ms }
}

export const idleStreams: Attack = {
  name: 'idle-streams',
  promise: `${TENANTS * TENANT_STREAMS} stored streams that nobody uses take at most ${IDLE_MB_MAX} MB of a start`,
  async run(field) {
    await (await field.start({ data: 'empty' })).stop()
    const empty = await measureStart(field, 'empty')
    const gateway = await field.start({ data: 'full' })
    const taken = await pushStreams(gateway.url)
    await gateway.stop()
    const full = await measureStart(field, 'full')
    const seen =
      `${taken} pushes of ${TENANT_STREAMS} streams stored; a start takes ${full.mb.toFixed(0)} MB and ${full.ms.toFixed(0)} ms, ` +
      `of an empty folder ${empty.mb.toFixed(0)} MB and ${empty.ms.toFixed(0)} ms`
    assertHolds(full.mb - empty.mb <= IDLE_MB_MAX, seen)
    return seen
  },
}
