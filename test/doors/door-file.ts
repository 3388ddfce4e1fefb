/**
 * Reads the cases of test/doors/cases: pushes as plain text, each with the client's intention and the expected result.
 */

import { globSync, readFileSync } from 'node:fs'

/**
 * A case in a file:
 *
 *     == its name
 *     from: where it was met (optional)
 *     POST /path
 *     Header: value           (Body: how the text becomes bytes; Query: finds the lines)
 *
 *     the body, in which <case>, <ns>, <us>, <ms>, <s> and <rfc3339> are replaced
 *     --
 *     sent: a line that the client meant to store
 *     400 words of the response
 *     stored: a stored line (default: everything sent if the status is a success, else nothing)
 */
export interface DoorCase {
  readonly file: string
  readonly name: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Steps from text to bytes: see door-body.ts. */
  readonly steps: readonly string[]
  readonly query: string
  readonly body: string
  readonly sent: readonly string[]
  readonly status: number
  readonly words: string
  readonly stored: readonly string[]
}

export function readDoorCases(): DoorCase[] {
  return globSync('test/doors/cases/*.txt')
    .sort()
    .flatMap((file) => parseDoorFile(file, readFileSync(file, 'utf8')))
}

export function parseDoorFile(file: string, text: string): DoorCase[] {
  const [, ...parts] = text.split(/^== /m)
  return parts.map((part) => parseCase(file, part))
}

function parseCase(file: string, text: string): DoorCase {
  const [head = '', tail = ''] = text.split(/\n--\n/)
  const gap = head.indexOf('\n\n')
  const [name = '', ...lines] = head.slice(0, gap < 0 ? head.length : gap).split('\n')
  const request = lines.find((line) => line.startsWith('POST '))
  if (request === undefined) throw new Error(`${file}: "${name}" has no line "POST /path"`)
  const fieldLines = lines.slice(lines.indexOf(request) + 1).filter((line) => line !== '')
  const fields = fieldLines.map((line): [string, string] => {
    const colon = line.indexOf(': ')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)]
  })
  const { body: steps = '', query = '{app="<case>"}', ...headers } = Object.fromEntries(fields)
  const answer = /^(\d{3})(?: (.*))?$/m.exec(tail)
  if (answer === null) throw new Error(`${file}: "${name}" has no line with a status`)
  const status = Number(answer[1])
  const sent = valuesOf(tail, 'sent')
  const stored = /^stored: /m.test(tail) ? valuesOf(tail, 'stored') : status < 300 ? sent : []
  return {
    file,
    name,
    path: request.slice('POST '.length),
    headers,
    steps: steps === '' ? [] : steps.split(', '),
    query,
    body: gap < 0 ? '' : head.slice(gap + 2),
    sent,
    status,
    words: answer[2] ?? '',
    stored,
  }
}

function valuesOf(text: string, key: string): string[] {
  return Array.from(text.matchAll(new RegExp(`^${key}: (.*)$`, 'gm')), ([, value = '']) => value)
}

/** Inserts the case's name and current times into a text. `<ns+1>` and `<s/1000000>` are computed. */
export function fillIn(text: string, id: string, nowMs: number): string {
  const units: Record<string, bigint> = {
    ns: BigInt(nowMs) * 1_000_000n,
    us: BigInt(nowMs) * 1000n,
    ms: BigInt(nowMs),
    s: BigInt(Math.floor(nowMs / 1000)),
  }
  return text
    .replaceAll('<case>', id)
    .replaceAll('<rfc3339>', new Date(nowMs).toISOString())
    .replaceAll(/<(ns|us|ms|s)(?:([-+/])(\d+))?>/g, (_, unit: string, operator: string | undefined, digits: string) => {
      const value = units[unit] as bigint
      if (operator === undefined) return String(value)
      const operand = BigInt(digits)
      return String(operator === '+' ? value + operand : operator === '-' ? value - operand : value / operand)
    })
}
