/**
 * Preloaded into a gateway (`node --import`): ten times a second, writes to the file in PROBE_FILE for how much CPU
 * time the thread blocked a timer of a millisecond. On a shared machine, wall time would mostly show the load of
 * others.
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
    // The probe's own CPU time does not count.
    last = cpuMs()
  }, 1).unref()
}
