/** What is the same in lines that tell of one trouble: a line without the parts that differ from one time to the next. */

/** What is looked at of a line: what follows tells one occurrence from another, hardly one trouble from another. */
const LINE_CHARS_MAX = 4096
const PATTERN_CHARS_MAX = 300
/** A shorter text finds too much. */
const LITERAL_CHARS_MIN = 6
/** The pattern of a line in which nothing shows. */
const EMPTY = '<empty>'

/** Fields that hold what a line says, the most telling first. */
const MESSAGE_FIELDS = ['message', 'msg', '@message', 'event', 'body', 'log', 'errorMessage'] as const
/** Fields that tell one error of a message from another. */
const ERROR_FIELDS = ['error', 'err', 'exception', 'errorType', 'exception.type', 'error.type', 'code'] as const

/**
 * Each alternative is one variable part, in the order in which they are tried at a place. All of them are linear: no
 * part can begin again within itself.
 */
const VARIABLE = new RegExp(
  [
    // 2026-11-21T10:00:00.123Z, 2026-11-21 10:00:00,123 +0000, 21/Nov/2026:10:00:00 +0000, Nov 21 10:00:00, 10:00:00
    String.raw`(?<time>\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?` +
      String.raw`|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?: [+-]\d{4})?` +
      String.raw`|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2} \d\d:\d\d:\d\d` +
      String.raw`|\b\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?)`,
    String.raw`(?<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)`,
    String.raw`(?<email>\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})`,
    // IPv4 with or without a port, IPv6 of at least four groups or with a gap.
    String.raw`(?<address>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})?\b` +
      String.raw`|\[?(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}(?::?[0-9a-fA-F]{1,4})?(?![\w:])\]?` +
      String.raw`|(?<![\w:])(?:[0-9a-fA-F]{1,4})?::(?:[0-9a-fA-F]{1,4}:){0,6}[0-9a-fA-F]{1,4}(?![\w:]))`,
    String.raw`(?<query>\?[\w%.~-]{1,64}=[^\s"']*)`,
    // JSON within text has its quotes escaped. One that is escaped begins nothing else: each would look to the end.
    String.raw`(?<quoted>\\"[^"\\]*\\"|(?<!\\)"(?:[^"\\]|\\.)*"|(?<![\w\\])'(?:[^'\\]|\\.)*'(?!\w))`,
    String.raw`(?<hex>\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]{0,7}\d)[0-9a-fA-F]{8,}\b)`,
    // Letters and digits in turns, as ids of pods, requests and containers have them.
    String.raw`(?<id>\b(?=\w{0,63}\d[A-Za-z_]+\d)\w{5,}\b)`,
    String.raw`(?<n>(?:(?<!\w)[+-])?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?%?)`,
  ].join('|'),
  'g',
)
const NAMES = ['time', 'uuid', 'email', 'address', 'query', 'quoted', 'hex', 'id', 'n'] as const

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours of terminals begin with it
const COLOURS = /\u001b\[[0-9;]{0,20}[A-Za-z]/g

/**
 * The line's pattern: one line of text in which times, ids, numbers, addresses and quoted values are `<time>`, `<id>`,
 * `<n>` and so on. Of JSON and logfmt only the message and the error count. Linear in the line, of which the first
 * 4096 characters are read; at most 300 characters long.
 */
export function linePattern(line: string): string {
  const text = messageOf(line.length > LINE_CHARS_MAX ? line.slice(0, LINE_CHARS_MAX) : line)
  const pattern = firstLine(text)
    .replace(COLOURS, '')
    .replace(VARIABLE, (...found) => {
      const groups = found.at(-1) as Readonly<Record<string, string | undefined>>
      return `<${NAMES.find((name) => groups[name] !== undefined)}>`
    })
    // A list of values is the same list, however long.
    .replace(/(<[a-z]{1,7}>)(?:, ?\1)+/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
  return pattern === '' ? EMPTY : pattern.slice(0, PATTERN_CHARS_MAX).toWellFormed()
}

/**
 * The longest text of the pattern that stands in the line as it is, to search by; undefined where it is too short. Looks
 * where linePattern did.
 */
export function literalOf(pattern: string, wholeLine: string): string | undefined {
  const line = wholeLine.slice(0, LINE_CHARS_MAX)
  let best = ''
  for (const piece of pattern.split(/<[a-z]{1,7}>/)) {
    let text = piece.trim()
    // White space that was made one space is not in the line: what follows it may be.
    while (text !== '' && !line.includes(text)) text = /\s(.*)$/.exec(text)?.[1] ?? ''
    if (text.length > best.length) best = text
  }
  return best.length >= LITERAL_CHARS_MIN ? best : undefined
}

/** From the first character that shows on. */
function firstLine(text: string): string {
  return /\S[^\r\n]*/.exec(text)?.[0] ?? ''
}

/** What a structured line says; any other line as it is. */
function messageOf(line: string): string {
  const text = line.trim()
  if (text.startsWith('{')) return jsonMessage(text) ?? text
  return logfmtMessage(text) ?? text
}

function jsonMessage(text: string): string | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    // Cut off or no JSON: the line as it is will do.
    return undefined
  }
  const entries = new Map(Object.entries(fields as object))
  const parts = [pick(MESSAGE_FIELDS, entries), pick(ERROR_FIELDS, entries)].filter((part) => part !== undefined)
  // Nothing that is known: the names of its fields tell what kind of line it is.
  return parts.length > 0 ? parts.join(': ') : `{${[...entries.keys()].slice(0, 20).join(', ')}}`
}

function pick(names: readonly string[], entries: ReadonlyMap<string, unknown>): string | undefined {
  for (const name of names) {
    const value = entries.get(name)
    if (typeof value === 'string' && value.trim() !== '') return firstLine(value)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const nested = pick(['type', 'name', 'message'], new Map(Object.entries(value)))
      if (nested !== undefined) return nested
    }
  }
  return undefined
}

const LOGFMT_FIELD = /(?:^|\s)(message|msg|error|err)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/g

function logfmtMessage(text: string): string | undefined {
  const found = new Map<string, string>()
  for (const [, name = '', quoted, bare] of text.matchAll(LOGFMT_FIELD)) {
    if (!found.has(name)) found.set(name, (quoted ?? bare ?? '').replace(/\\(.)/g, '$1'))
  }
  const message = found.get('message') ?? found.get('msg')
  const error = found.get('error') ?? found.get('err')
  if (message === undefined) return undefined
  return error === undefined || error === '' ? message : `${message}: ${error}`
}
