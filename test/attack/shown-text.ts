/** What a line does to the terminal that shows it, and what a bound user sees of the process. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Attack, assertHolds, nowNs, pushJson } from './attack.ts'

const run = promisify(execFile)

/** Each of them ends or turns what a terminal shows, or starts a command of it. */
const CONTROLS: readonly (readonly [name: string, character: string])[] = [
  ['U+001B', '\u001b'],
  ['U+009B', '\u009b'],
  ['U+202E', '\u202e'],
  ['U+2028', '\u2028'],
  ['U+2066', '\u2066'],
]

export const terminal: Attack = {
  name: 'terminal',
  promise: 'no form of the command line’s output passes characters that control a terminal, but raw',
  async run(field) {
    const { url } = await field.start()
    const line = `before ${CONTROLS.map(([, character]) => character).join('[2J')} after`
    await pushJson(url, JSON.stringify({ streams: [{ stream: { app: 'shop' }, values: [[nowNs(), line]] }] }))
    const passed: string[] = []
    for (const output of ['text', 'json']) {
      const command = [`${field.checkout}/src/entry/cli.ts`, 'query', '{app="shop"}', '--output', output, '--url', url]
      const { stdout } = await run(process.execPath, command, { cwd: field.checkout })
      assertHolds(stdout.includes('after'), `${output}: the line is not shown: ${stdout.slice(0, 200)}`)
      for (const [name, character] of CONTROLS) if (stdout.includes(character)) passed.push(`${output} ${name}`)
    }
    assertHolds(passed.length === 0, `passed as they are: ${passed.join(', ')}`)
    return `${CONTROLS.length} characters in 2 forms, none passed`
  },
}

export const anyBytes: Attack = {
  name: 'any-bytes',
  promise: 'a query may look for any bytes: "\\xff\\xfe" is a string of LogQL',
  async run(field) {
    const { url } = await field.start()
    const query = '{app="shop"} |= "\\xff\\xfe"'
    const response = await fetch(`${url}/loki/api/v1/query_range?query=${encodeURIComponent(query)}`)
    const body = await response.text()
    assertHolds(response.ok, `${response.status} ${body.slice(0, 160)}`)
    return `${response.status}`
  },
}

export const processShown: Attack = {
  name: 'process-shown',
  promise: 'a user who is bound to a tenant does not see the metrics and settings of the process',
  async run(field) {
    const users = [{ name: 'bound', password: 'x', tenant: 'b' }]
    const { url } = await field.start({ env: { MILLRACE_USERS: JSON.stringify(users) } })
    const authorization = `Basic ${Buffer.from('bound:x').toString('base64')}`
    const statuses: string[] = []
    for (const path of ['/metrics', '/config']) {
      const response = await fetch(`${url}${path}`, { headers: { authorization } })
      await response.arrayBuffer()
      statuses.push(`${path} ${response.status}`)
    }
    const seen = statuses.join(', ')
    assertHolds(
      statuses.every((status) => status.endsWith('403')),
      seen,
    )
    return seen
  },
}
