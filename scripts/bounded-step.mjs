// Runs a command with a time limit, captures its output, and kills all its child processes with it.
import { spawn } from 'node:child_process'

/** Lines of the output of a failed command that are shown. */
const LINES_SHOWN = 30

/**
 * Runs `command` with `args`. Returns `{ ok, seconds, problem }`; `problem` is a text with the last lines of the
 * output. With `isShown` the output is passed through as it arrives, and `problem` omits it.
 */
export async function runBounded(command, args, { secondsMax, env = process.env, isShown = false }) {
  const startMs = performance.now()
  const stdio = isShown ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe']
  // A separate process group, so that the children of the command can be killed too.
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
    // It has exited in the meantime.
    if (error.code !== 'ESRCH') throw error
  }
}
