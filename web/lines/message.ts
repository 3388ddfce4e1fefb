/** What a line says: its message first, then its fields. JSON and logfmt are read here, for what is shown only. */

export type Form = 'json' | 'logfmt' | 'text'

export interface Field {
  readonly name: string
  readonly value: string
  /** The keys that lead to it in JSON. */
  readonly path: readonly string[]
}

export interface Reading {
  readonly form: Form
  /** The whole line where it has no message of its own. */
  readonly message: string
  readonly fields: readonly Field[]
}

const MESSAGE_NAMES = ['message', 'msg', 'log', 'event', 'body', 'text']
/** Shown by the row already. */
const ROW_NAMES = ['level', 'severity', 'lvl', 'time', 'timestamp', 'ts', '@timestamp']
const FIELDS_MAX = 200
const DEPTH_MAX = 8

export function readLine(line: string): Reading {
  const fields = readJson(line)
  if (fields !== undefined) return { form: 'json', ...split(fields, line) }
  const pairs = readLogfmt(line)
  if (pairs !== undefined) return { form: 'logfmt', ...split(pairs, line) }
  return { form: 'text', message: line, fields: [] }
}

function split(fields: readonly Field[], line: string): { message: string; fields: readonly Field[] } {
  for (const name of MESSAGE_NAMES) {
    const message = fields.find((field) => field.name === name && field.value !== '')
    if (message !== undefined) return { message: message.value, fields }
  }
  return { message: line, fields }
}

/** Fields that are shown behind a message. */
export function extrasOf({ fields, message }: Reading): readonly Field[] {
  return fields.filter(({ name, value }) => value !== message && !ROW_NAMES.includes(name.toLowerCase()))
}

function readJson(line: string): Field[] | undefined {
  if (!/^\s*\{/.test(line)) return undefined
  try {
    // Long numbers stay what they are: their text is kept.
    const value: unknown = JSON.parse(line.replace(/([:,[]\s*)(-?\d{16,}(?:\.\d+)?)(?=\s*[,}\]])/g, '$1"$2"'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    const fields: Field[] = []
    walk(value, [], fields)
    return fields
  } catch {
    return undefined
  }
}

function walk(value: object, path: readonly string[], fields: Field[]): void {
  for (const [key, member] of Object.entries(value)) {
    if (fields.length >= FIELDS_MAX) return
    const below = [...path, key]
    if (typeof member === 'object' && member !== null && !Array.isArray(member) && below.length < DEPTH_MAX)
      walk(member, below, fields)
    else
      fields.push({
        name: below.join('.'),
        value: typeof member === 'string' ? member : JSON.stringify(member),
        path: below,
      })
  }
}

const PAIR = /([A-Za-z_@][\w.@/-]*)=(?:"((?:\\.|[^"\\])*)"|([^\s"]*))(?=\s|$)/g

/** At least two pairs, which begin the line and are most of it. */
function readLogfmt(line: string): Field[] | undefined {
  if (!/^\s*[A-Za-z_@][\w.@/-]*=/.test(line)) return undefined
  const fields: Field[] = []
  let chars = 0
  for (const [all, name = '', quoted, bare = ''] of line.matchAll(PAIR)) {
    if (fields.length >= FIELDS_MAX) break
    chars += all.length + 1
    fields.push({ name, value: quoted === undefined ? bare : unquote(quoted), path: [name] })
  }
  return fields.length >= 2 && chars * 2 > line.length ? fields : undefined
}

const unquote = (text: string): string =>
  text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char === 't' ? '\t' : char))

/** Indented JSON, as long as its numbers stay what they are. */
export function pretty(line: string): string | undefined {
  if (!/^\s*[{[]/.test(line) || line.length > 200_000 || /\d{16}/.test(line)) return undefined
  try {
    return JSON.stringify(JSON.parse(line), null, 2)
  } catch {
    return undefined
  }
}
