/** `npm run bench:gaps`: for how long each request keeps the gateway's thread from answering others. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FuzzCorpus, type FuzzRequest } from '../test/fuzz/http.ts'
import { GatewayProcess } from '../test/support/gateway-process.ts'
import { type LargeBody, largeBodies } from './large-bodies.ts'

const HELP = `node bench/gaps.ts [--rounds 3] [--corpus 3000] [--only WORD] [--checkout DIR]

Sends each body of bench/large-bodies.ts, alone, to a gateway, and prints the longest stretch of processor time that the
gateway's thread took without a pause, until it was idle again: the median and the most of the rounds. Then it sends
--corpus requests of the fuzz corpus. Exit code 1 if a stretch is longer than ${50} ms.`

/** What others may have to wait for one request, on a quiet machine. */
const GAP_MS_MAX = 50
/** Without a stretch over this for QUIET_WINDOWS windows of the probe, the gateway is idle. */
const IDLE_MS = 3
const QUIET_WINDOWS = 4
const SETTLING_MS_MAX = 20_000

interface Measured {
  readonly status: number
  readonly gapMs: number
}

/** Reads what the probe in the gateway wrote. */
class Probe {
  readonly #file: string
  #at = 0

  constructor(file: string) {
    this.#file = file
  }

  /** Stretches since the last call, ms, one for each window. */
  take(): number[] {
    const text = readFileSync(this.#file, 'utf8')
    const fresh = text.slice(this.#at, text.lastIndexOf('\n') + 1)
    this.#at += fresh.length
    return fresh.split('\n').filter(Boolean).map(Number)
  }

  /** The stretches until the gateway is idle. */
  async untilIdle(): Promise<number[]> {
    const stretches: number[] = []
    const endMs = performance.now() + SETTLING_MS_MAX
    for (let quiet = 0; quiet < QUIET_WINDOWS && performance.now() < endMs; ) {
      await delay(100)
      const fresh = this.take()
      stretches.push(...fresh)
      if (fresh.length > 0) quiet = Math.max(...fresh) <= IDLE_MS ? quiet + 1 : 0
    }
    return stretches
  }
}

async function send(url: string, { path, headers, bytes }: LargeBody, tenant: string): Promise<number> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { ...headers, 'x-scope-orgid': tenant },
    body: bytes,
  })
  await response.arrayBuffer()
  return response.status
}

async function measure(url: string, probe: Probe, body: LargeBody, tenant: string): Promise<Measured> {
  await probe.untilIdle()
  const status = await send(url, body, tenant)
  return { status, gapMs: Math.max(0, ...(await probe.untilIdle())) }
}

/** The longest stretch over the requests of the fuzz corpus, ms. */
async function measureCorpus(url: string, probe: Probe, count: number): Promise<number> {
  const corpus = new FuzzCorpus(1, BigInt(Date.now()) * 1_000_000n)
  await probe.untilIdle()
  for (let sent = 0; sent < count; sent++) await sendFuzz(url, corpus.next())
  return Math.max(0, ...(await probe.untilIdle()))
}

async function sendFuzz(url: string, { url: path, headers, payload }: FuzzRequest): Promise<void> {
  try {
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: new Uint8Array(payload) })
    await response.arrayBuffer()
  } catch {
    // A header that no client can send.
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      corpus: { type: 'string', default: '3000' },
      only: { type: 'string', default: '' },
      checkout: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(HELP)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-gaps-'))
  const file = join(folder, 'probe')
  writeFileSync(file, '')
  const gateway = await GatewayProcess.start({
    dataDir: join(folder, 'data'),
    checkout: values.checkout,
    env: { PROBE_FILE: file },
    nodeFlags: ['--import', fileURLToPath(new URL('loop-probe.ts', import.meta.url))],
  })
  const probe = new Probe(file)
  let longest = 0
  try {
    for (const { name, make } of largeBodies(Date.now()).filter((body) => body.name.includes(values.only))) {
      const gaps: number[] = []
      let status = 0
      for (let round = 0; round < Number(values.rounds); round++) {
        const measured = await measure(gateway.url, probe, make(round), `gaps-${round}`)
        gaps.push(measured.gapMs)
        status = measured.status
      }
      gaps.sort((a, b) => a - b)
      const most = gaps.at(-1) as number
      longest = Math.max(longest, most)
      console.log(`${name}: ${status}, median ${gaps[gaps.length >> 1]?.toFixed(0)} ms, most ${most.toFixed(0)} ms`)
    }
    const count = Number(values.corpus)
    if (count > 0) {
      const gap = await measureCorpus(gateway.url, probe, count)
      longest = Math.max(longest, gap)
      console.log(`${count} requests of the fuzz corpus: most ${gap.toFixed(0)} ms`)
    }
  } finally {
    await gateway.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`longest ${longest.toFixed(0)} ms, wanted ${GAP_MS_MAX}`)
  if (longest > GAP_MS_MAX) process.exitCode = 1
}

await main()
