// Runs a command that may hang: within a bound, its output kept, all that it started ended with it.
import { spawn } from 'node:child_process'

/** Of the output of a command that failed. */
const LINES_SHOWN = 30

/**
 * Runs `command` with `args`. Gives `{ ok, seconds, problem }`; `problem` says in words what happened, with the last
 * lines that the command wrote. With `isShown` the output is passed on as it comes, and `problem` leaves it out.
 */
export async function runBounded(command, args, { secondsMax, env = process.env, isShown = false }) {
  const startMs = performance.now()
  const stdio = isShown ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe']
  // A group of its own, so that what the command starts can be ended too.
  const child = spawn(command, args, { stdio, env, detached: true })
  const output = []
  for (const stream of isShown ? [] : [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk))
  let isLate = false
  const bound = setTimeout(() => {
    isLate = true
    endGroup(child.pid)
  }, secondsMax * 1000)
  const failure = await new Promise((resolve) => {
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${code ?? signal}`))
    child.on('error', (error) => resolve(`could not be started: ${error.message}`))
  })
  clearTimeout(bound)
  const seconds = Math.round((performance.now() - startMs) / 1000)
  if (failure === undefined) return { ok: true, seconds, problem: undefined }
  const what = isLate ? `was ended after its bound of ${secondsMax} s` : failure
  const lines = Buffer.concat(output).toString().trimEnd().split('\n').slice(-LINES_SHOWN)
  const problem = [`${[command, ...args].join(' ')} ${what}`, ...lines.filter(Boolean)].join('\n  ')
  return { ok: false, seconds, problem }
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // Gone by itself meanwhile.
    if (error.code !== 'ESRCH') throw error
  }
}
