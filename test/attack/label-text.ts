/** Streams with long labels, which compress to almost nothing. */

import { gzipSync } from 'node:zlib'
import { type Attack, assertHolds, Broken, type Field, nowNs, pushJson } from './attack.ts'

const LABELS = 14
const VALUE_CHARS = 2048
const HEAP_MB = 600
const SMALL_HEAP_MB = 256

/** `streams` streams whose labels all have the maximum length, in gzip. */
function longLabels(streams: number, first: number): Uint8Array<ArrayBuffer> {
  const labels = Object.fromEntries(Array.from({ length: LABELS }, (_, i) => [`l${i}`, 'v'.repeat(VALUE_CHARS)]))
  const body = Array.from({ length: streams }, (_, i) => {
    return { stream: { ...labels, id: `${first + i}` }, values: [[nowNs(i), 'x']] }
  })
  return new Uint8Array(gzipSync(JSON.stringify({ streams: body })))
}

const GZIP = { headers: { 'content-encoding': 'gzip' } }

async function assertOpens(field: Field, heapMb: number): Promise<string> {
  const gateway = await field.start({ heapMb }).catch((cause: Error) => {
    throw new Broken(`it does not start again in ${heapMb} MB: ${cause.message.slice(-200)}`)
  })
  const status = await pushJson(gateway.url, JSON.stringify({ streams: [] }))
  assertHolds(status === 422, `after the restart a push without streams got ${status}`)
  const { peak } = gateway.rss()
  await gateway.stop()
  return `${(peak / 1e6).toFixed(0)} MB after a restart in ${heapMb} MB`
}

export const longLabelPushes: Attack = {
  name: 'label-text',
  promise: `six pushes of 223 KB with 70 MB of labels each end no gateway of ${HEAP_MB} MB, and it starts again`,
  async run(field) {
    const gateway = await field.start({ heapMb: HEAP_MB })
    const statuses: number[] = []
    for (let i = 0; i < 6; i++) {
      statuses.push(await pushJson(gateway.url, longLabels(2500, i * 2500), { tenant: `t${i}`, ...GZIP }))
    }
    assertHolds(gateway.isRunning, `it ended after the answers ${statuses}`)
    await gateway.kill()
    return `answers ${statuses.join(' ')}, ${await assertOpens(field, HEAP_MB)}`
  },
}

export const storedLabels: Attack = {
  name: 'stored-labels',
  promise: `labels that are taken, 200 tenants of 250 long streams each, are opened again in ${SMALL_HEAP_MB} MB`,
  async run(field) {
    const gateway = await field.start({ heapMb: 4000 })
    let taken = 0
    for (let i = 0; i < 200; i++) {
      const status = await pushJson(gateway.url, longLabels(250, 0), { tenant: `t${i}`, ...GZIP })
      if (status === 200) taken++
    }
    await gateway.stop()
    return `${taken} of 200 pushes taken, ${await assertOpens(field, SMALL_HEAP_MB)}`
  },
}
