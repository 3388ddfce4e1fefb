/**
 * The level that Loki 3 assigns to a line (pkg/distributor/field_detection.go), implemented directly from its rules:
 * the reference for docs/levels.md.
 */

const FIELDS = [
  'level',
  'LEVEL',
  'Level',
  'log.level',
  'severity',
  'SEVERITY',
  'Severity',
  'SeverityText',
  'lvl',
  'LVL',
  'Lvl',
  'severity_text',
  'Severity_Text',
  'SEVERITY_TEXT',
]
const DEPTH_MAX = 2
const VALUES = new Map(
  Object.entries({
    trace: 'trace',
    trc: 'trace',
    debug: 'debug',
    dbg: 'debug',
    info: 'info',
    inf: 'info',
    information: 'info',
    warn: 'warn',
    wrn: 'warn',
    warning: 'warn',
    error: 'error',
    err: 'error',
    critical: 'critical',
    fatal: 'fatal',
  }),
)
const WORD = /(?<![^ \t\n[({"'=|])(trace|debug|fatal|critical|error|err|warning|warn|info)(?![^ \t\n[\](){}:,!"'=|])/i

export function lokiLevel(line: string): string {
  const trimmed = line.trim()
  const isJson = trimmed.startsWith('{') && trimmed.endsWith('}')
  const value = isJson ? fieldOfJson(trimmed) : fieldOfLogfmt(line)
  const level = VALUES.get((value ?? '').toLowerCase())
  if (level !== undefined) return level
  const word = WORD.exec(line)?.[1]?.toLowerCase()
  return word === undefined ? 'unknown' : (VALUES.get(word) as string)
}

/** The first text in document order under one of the names. Only for JSON lines. */
function fieldOfJson(text: string): string | undefined {
  const search = (object: object, depth: number): string | undefined => {
    if (depth >= DEPTH_MAX) return undefined
    for (const [key, value] of Object.entries(object)) {
      if (typeof value === 'string' && FIELDS.includes(key)) return value
      if (typeof value !== 'object' || value === null || Array.isArray(value)) continue
      const inner = search(value, depth + 1)
      if (inner !== undefined) return inner
    }
    return undefined
  }
  return search(JSON.parse(text) as object, 0)
}

function fieldOfLogfmt(line: string): string | undefined {
  let best: { rank: number; value: string } | undefined
  for (const [, key = '', quoted, plain] of line.matchAll(/([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))/g)) {
    const rank = FIELDS.findIndex((field) => field.toLowerCase() === key.toLowerCase())
    if (rank >= 0 && (best === undefined || rank < best.rank)) best = { rank, value: quoted ?? plain ?? '' }
  }
  return best?.value
}
