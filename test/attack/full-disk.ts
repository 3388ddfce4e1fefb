/** A volume that fills up, and the advice in the responses. Needs the permission to mount a small tmpfs. */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Attack, assertHolds, Broken, type Field, nowNs, pushJson } from './attack.ts'

const MIB = 2 ** 20
const VOLUME_MIB = 200
const LIMIT_MIB = 100
/** Maintenance runs every 5 s; a loaded machine needs more time. */
const PATIENCE_MS = 90_000

/** A push of about 1 MiB that does not compress. */
function noise(): string {
  const values = Array.from({ length: 16 }, (_, i) => [nowNs(i), randomBytes(48 * 1024).toString('base64')])
  return JSON.stringify({ streams: [{ stream: { app: 'filler' }, values }] })
}

const TAKEN = 200
/** About as many MiB as the volume has. */
const MORE_PUSHES = 200

/** Pushes until a response has the status; resolves to the number of pushes. */
async function pushUntil(url: string, wanted: number, patienceMs: number): Promise<number> {
  const endMs = performance.now() + patienceMs
  for (let pushes = 1; ; pushes++) {
    const status = await pushJson(url, noise())
    if (status === wanted) return pushes
    if (performance.now() > endMs)
      throw new Broken(`no ${wanted} within ${patienceMs / 1000} s; the last answer is ${status}`)
    if (status === 503) await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

function mount(folder: string): boolean {
  mkdirSync(folder, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${VOLUME_MIB}m`, 'tmpfs', folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const mibOf = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / MIB

async function fill(field: Field, folder: string): Promise<string> {
  const gateway = await field.start({ data: 'volume' })
  const taken = await pushUntil(gateway.url, 503, PATIENCE_MS * 5)
  const health = await fetch(`${gateway.url}/healthz`)
  const told = await health.text()
  assertHolds(health.status === 503, `/healthz of a full volume is ${health.status} ${told}`)
  await gateway.stop()
  const full = mibOf(folder).toFixed(0)
  const advised = { MILLRACE_RETENTION_BYTES: `${LIMIT_MIB}MiB` }
  const next = await field.start({ data: 'volume', env: advised }).catch((cause: Error) => {
    throw new Broken(`it does not start on the full volume: ${cause.message.slice(-300)}`)
  })
  const startedMs = performance.now()
  await pushUntil(next.url, TAKEN, PATIENCE_MS)
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
  // Faster than deletions, so that some pushes must be retried, as agents do.
  let pushes = 0
  for (let i = 0; i < MORE_PUSHES; i++) pushes += await pushUntil(next.url, TAKEN, PATIENCE_MS)
  const left = mibOf(folder)
  assertHolds((await fetch(`${next.url}/healthz`)).status === 200, '/healthz stays at 503')
  await next.stop()
  return `503 after ${taken} pushes and ${full} MiB; with ${LIMIT_MIB} MiB allowed, 200 after ${seconds} s, then ${MORE_PUSHES} more by ${pushes} tries; ${left.toFixed(0)} MiB in the folder`
}

export const fullDisk: Attack = {
  name: 'full-disk',
  promise: 'on a full volume, what the 503 advises works: old lines go, and pushes are taken again',
  async run(field) {
    const folder = field.dataDir('volume')
    if (!mount(folder)) return 'skipped: a tmpfs cannot be mounted here'
    try {
      return await fill(field, folder)
    } finally {
      await field.killAll()
      execFileSync('umount', ['-l', folder])
    }
  },
}
