import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { GatewayProcess } from '../support/gateway-process.ts'
import { testFolder } from '../support/test-folder.ts'
import { type Bomb, makeBombs } from './bombs.ts'

/** Maximum memory of a gateway while it rejects a bomb: its limit of 256 MiB, the decoder's memory, its own. */
const PEAK_BYTES_MAX = 1000e6
/** The same for eight bombs at once; Node inflates four at a time. */
const CROWD_PEAK_BYTES_MAX = 2000e6

const bombs = await makeBombs()

for (const bomb of bombs) {
  t.test(`${bomb.name} is answered ${bomb.status} in bounded memory, while other pushes are served`, async (t) => {
    const gateway = await GatewayProcess.start({ dataDir: testFolder(t) })
    t.teardown(() => gateway.kill())
    const served = await servedMeanwhile(gateway, [bomb])
    t.strictSame(served.statuses, [bomb.status])
    t.strictSame(served.refused, [], `${served.pushes} other pushes were taken, the slowest in ${served.slowestMs} ms`)
    const { peak } = gateway.rss()
    t.ok(peak < PEAK_BYTES_MAX, `${bomb.body.length} bytes made it hold ${Math.round(peak / 1e6)} MB at most`)
  })
}

t.test('eight bombs at once are refused in bounded memory, while other pushes are served', async (t) => {
  const gateway = await GatewayProcess.start({ dataDir: testFolder(t) })
  t.teardown(() => gateway.kill())
  const crowd = [...bombs.filter(({ status }) => status === 413), ...bombs].slice(0, 8)
  const served = await servedMeanwhile(gateway, crowd)
  t.strictSame(
    served.statuses,
    crowd.map(({ status }) => status),
  )
  t.strictSame(served.refused, [], `${served.pushes} other pushes were taken, the slowest in ${served.slowestMs} ms`)
  const { peak } = gateway.rss()
  t.ok(peak < CROWD_PEAK_BYTES_MAX, `it held ${Math.round(peak / 1e6)} MB at most`)
})

/** Sends the bombs, and pushes one line after another until all have a response. */
async function servedMeanwhile(gateway: GatewayProcess, thrown: readonly Bomb[]) {
  const url = `${gateway.url}/loki/api/v1/push`
  let isOver = false
  const answers = Promise.all(
    thrown.map(async ({ headers, body }) => {
      const response = await fetch(url, { method: 'POST', headers, body })
      await response.arrayBuffer()
      return response.status
    }),
  ).finally(() => {
    isOver = true
  })
  const refused: number[] = []
  let pushes = 0
  let slowestMs = 0
  do {
    const startedMs = performance.now()
    const status = await pushLine(url, `line ${pushes++}`)
    slowestMs = Math.max(slowestMs, Math.round(performance.now() - startedMs))
    if (status !== 200) refused.push(status)
    await setImmediate()
  } while (!isOver)
  return { statuses: await answers, refused, pushes, slowestMs }
}

async function pushLine(url: string, line: string): Promise<number> {
  const streams = [{ stream: { app: 'other' }, values: [[`${Date.now()}000000`, line]] }]
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ streams }) })
  await response.arrayBuffer()
  return response.status
}
