/** Random lines: JSON, logfmt, access logs, packed, coloured, plain, and all of them broken. */

import type { Random } from '../support/random.ts'
import { ADDRESSES, DURATIONS, FIELD_NAMES, LABEL_VALUES, NUMBERS, SIZES, WORDS } from './vocabulary.ts'

type LineMaker = (random: Random) => string

const MAKERS: readonly LineMaker[] = [
  jsonLine,
  jsonLine,
  logfmtLine,
  logfmtLine,
  accessLine,
  plainLine,
  packedLine,
  colouredLine,
  (random) => broken(random, random.pick([jsonLine, logfmtLine, packedLine])(random)),
  (random) =>
    random.pick([
      ' ',
      '{}',
      '[]',
      'null',
      '"text"',
      '=',
      '==',
      'a=',
      '{',
      '{"a"',
      'a="',
      '0',
      'x',
      '\t',
      '{"a":1}{"b":2}',
    ]),
]

/** `kinds`: from how many kinds of lines to choose; streams often have lines of one kind. */
export function makeLine(random: Random, kinds: number): string {
  return (kinds === 1 ? random.zipf(MAKERS) : random.pick(MAKERS))(random)
}

function value(random: Random): string {
  return random.pick(random.pick([LABEL_VALUES, NUMBERS, DURATIONS, SIZES, ADDRESSES, WORDS]))
}

function jsonLine(random: Random): string {
  return jsonObject(random, 0)
}

function jsonObject(random: Random, depth: number): string {
  const space = random.chance(0.15) ? ' ' : ''
  const fields = Array.from({ length: random.integer(depth === 0 ? 7 : 3) + (depth === 0 ? 1 : 0) }, () => {
    const name = random.chance(0.03) ? '' : random.pick(FIELD_NAMES)
    return `${jsonText(random, name)}${space}:${space}${jsonValue(random, depth)}`
  })
  return `{${space}${fields.join(`,${space}`)}${space}}`
}

function jsonValue(random: Random, depth: number): string {
  if (depth < 3 && random.chance(0.15)) return jsonObject(random, depth + 1)
  if (depth < 3 && random.chance(0.1)) {
    return `[${Array.from({ length: random.integer(4) }, () => jsonValue(random, depth + 1)).join(',')}]`
  }
  if (random.chance(0.3)) return random.pick(NUMBERS)
  if (random.chance(0.1)) return random.pick(['true', 'false', 'null'])
  return jsonText(random, value(random))
}

function jsonText(random: Random, text: string): string {
  const plain = JSON.stringify(text)
  if (random.chance(0.9)) return plain
  return random.pick([
    () => plain.replace(/[a-z]/, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
    () => plain.replaceAll('/', '\\/'),
    () => plain.replace('"', '"\\t'),
    () => plain.replace('"', '"\\ud83d\\ude00'),
    () => plain.replace('"', '"\\ud83d'),
    () => plain.replace('"', '"\u0001'),
  ])()
}

function logfmtLine(random: Random): string {
  const pairs = Array.from({ length: 1 + random.integer(7) }, () => {
    const name = random.pick(FIELD_NAMES)
    const form = random.next()
    if (form < 0.06) return name
    if (form < 0.12) return `${name}=`
    if (form < 0.15) return `${name}=""`
    if (form < 0.17) return `=${value(random)}`
    const text = value(random)
    if (form < 0.5 && !/[\s"=]/.test(text)) return `${name}=${text}`
    if (form < 0.97) return `${name}=${JSON.stringify(text)}`
    return `${name}=${text}`
  })
  return pairs.join(random.chance(0.9) ? ' ' : random.pick(['  ', '\t', ' , ']))
}

function accessLine(random: Random): string {
  const method = random.pick(['GET', 'POST', 'PUT'])
  const path = random.pick(['/', '/api/v1/users', '/a?b=c&d=%20', '/x y'])
  const size = random.pick(['-', '0', '512', '10240'])
  return `${random.pick(ADDRESSES)} - - [21/Nov/2026:12:00:00 +0000] "${method} ${path} HTTP/1.1" ${random.pick(['200', '404', '500'])} ${size}`
}

function plainLine(random: Random): string {
  return Array.from({ length: 1 + random.integer(6) }, () => random.pick([random.pick(WORDS), value(random)])).join(' ')
}

function packedLine(random: Random): string {
  const pairs = Array.from({ length: random.integer(3) }, () => {
    const text = random.chance(0.9) ? JSON.stringify(value(random)) : jsonValue(random, 2)
    return `${JSON.stringify(random.pick(FIELD_NAMES))}:${text}`
  })
  const inner = random.pick([plainLine, logfmtLine, jsonLine])(random)
  const entry = random.chance(0.85) ? [`"_entry":${JSON.stringify(inner)}`] : []
  return `{${random.chance(0.5) ? [...entry, ...pairs].join(',') : [...pairs, ...entry].join(',')}}`
}

function colouredLine(random: Random): string {
  const level = random.pick(['ERROR', 'info', 'WARN'])
  const code = random.pick(['31', '1;32', '0', '38;5;196', ''])
  return `\u001b[${code}m${level}\u001b[0m ${random.chance(0.5) ? logfmtLine(random) : plainLine(random)}`
}

/** One or two characters gone, doubled or replaced, or the end cut off. */
function broken(random: Random, line: string): string {
  const at = random.integer(line.length + 1)
  return random.pick([
    () => line.slice(0, at),
    () => line.slice(0, at) + line.slice(at + 1),
    () => line.slice(0, at) + random.pick(['"', '\\', '{', '}', ',', ':', '=', ' ', 'x']) + line.slice(at),
    () => `${line}${random.pick(['}', ' x', '"', ',', '\\'])}`,
    () => `x ${line}`,
  ])()
}
