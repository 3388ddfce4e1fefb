/**
 * Preloaded into a gateway (`node --import`): writes to the file in PROBE_FILE, ten times a second, how much processor time
 * the thread took without letting a timer of a millisecond in. Where the machine is shared, the time of the clock says
 * more of the neighbours.
 */

import { appendFileSync } from 'node:fs'

const file = process.env['PROBE_FILE']
const WINDOW_MS = 100

if (file !== undefined) {
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let last = cpuMs()
  let longest = 0
  let windowMs = performance.now()
  setInterval(() => {
    const now = cpuMs()
    longest = Math.max(longest, now - last)
    last = now
    if (performance.now() - windowMs < WINDOW_MS) return
    appendFileSync(file, `${longest.toFixed(2)}\n`)
    longest = 0
    windowMs = performance.now()
    // What the probe itself takes does not count.
    last = cpuMs()
  }, 1).unref()
}
