/**
 * Parses the part of RE2's syntax that has the same meaning in the engine's own RegExp; re2js handles everything else.
 */

import type { Slices } from '../../kit/slices.ts'

export type RegexpNode =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'set'; readonly set: CharSet; readonly source: string }
  | { readonly kind: 'begin' | 'end' | 'word_edge' }
  | { readonly kind: 'sequence' | 'alternation'; readonly items: readonly RegexpNode[] }
  /** `name` of a capturing group, '' if it has none; undefined: it does not capture. */
  | { readonly kind: 'group'; readonly body: RegexpNode; readonly name: string | undefined }
  | {
      readonly kind: 'repeat'
      readonly body: RegexpNode
      readonly min: number
      readonly max: number
      readonly isLazy: boolean
    }

/** A set of characters: one flag for each ASCII character, the last one for all others. */
export type CharSet = Uint8Array

export interface RegexpTree {
  readonly root: RegexpNode
  readonly ignoresCase: boolean
}

export const OTHER_CHARS = 128

/**
 * The tree of a pattern, or undefined if RE2 rejects it or it uses syntax outside the subset. With `dotAll`, `.`
 * matches line breaks too. A pattern with a tree is valid for RE2.
 */
export function* treeSlices(pattern: string, dotAll: boolean): Slices<RegexpTree | undefined> {
  const [prefix = '', flags = ''] = /^\(\?([is]+)\)/.exec(pattern) ?? []
  const ignoresCase = flags.includes('i')
  const reader = new RegexpReader(pattern.slice(prefix.length), dotAll || flags.includes('s'), ignoresCase)
  try {
    const root = yield* reader.readAll()
    return copiesOf(root) > COPIES_MAX ? undefined : { root, ignoresCase }
  } catch (error) {
    if (error === BEYOND) return undefined
    throw error
  }
}

/** Thrown for syntax outside the subset. */
const BEYOND = new Error('BUG: the end of the regular expression subset was not caught')
const DEPTH_MAX = 50
/** Maximum copies of a body by one repetition. */
const REPEAT_MAX = 100
/** Maximum copies by nested repetitions together; RE2 has the same limit. */
const COPIES_MAX = 1000

function copiesOf(node: RegexpNode): number {
  switch (node.kind) {
    case 'repeat':
      return Math.max(1, node.max === Number.POSITIVE_INFINITY ? node.min : node.max) * copiesOf(node.body)
    case 'group':
      return copiesOf(node.body)
    case 'sequence':
    case 'alternation':
      return node.items.reduce((most, item) => Math.max(most, copiesOf(item)), 1)
    default:
      return 1
  }
}

const CONTROL_ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v', a: '\u0007' }
/** Named classes inside a set, with RE2's meaning. */
const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}
/** Perl classes with RE2's meaning: ASCII only, and the vertical tab is not a space. */
const PERL_CLASSES: Readonly<Record<string, string>> = { d: '0-9', w: '0-9A-Za-z_', s: '\\t\\n\\f\\r ' }
const PUNCTUATION = /^[!-/:-@[-`{-~]$/

const QUANTIFIERS: readonly string[] = ['*', '+', '?', '{']
const PLAIN_CHAR = /^[A-Za-z0-9 _\-:/=,@]$/
/** Characters parsed between two yields. */
const STRETCH = 4096
/** Nodes that match no character. */
const EDGES: readonly RegexpNode['kind'][] = ['begin', 'end', 'word_edge']
/** Maximum characters in the braces of a repetition. */
const BRACES_MAX = 12

class RegexpReader {
  readonly #chars: readonly string[]
  readonly #dotAll: boolean
  readonly #ignoresCase: boolean
  readonly #names = new Set<string>()
  #at = 0
  #pauseAt = STRETCH
  #depth = 0

  constructor(pattern: string, dotAll: boolean, ignoresCase: boolean) {
    this.#chars = [...pattern]
    this.#dotAll = dotAll
    this.#ignoresCase = ignoresCase
  }

  *readAll(): Slices<RegexpNode> {
    const root = yield* this.#readAlternation()
    if (this.#at < this.#chars.length) throw BEYOND
    return root
  }

  *#readAlternation(): Slices<RegexpNode> {
    if (++this.#depth > DEPTH_MAX) throw BEYOND
    const items = [yield* this.#readSequence()]
    while (this.#take('|')) items.push(yield* this.#readSequence())
    this.#depth--
    return items.length === 1 ? (items[0] as RegexpNode) : { kind: 'alternation', items }
  }

  *#readSequence(): Slices<RegexpNode> {
    const items: RegexpNode[] = []
    for (let char = this.#peek(); char !== undefined && char !== '|' && char !== ')'; char = this.#peek()) {
      if (this.#at >= this.#pauseAt) {
        this.#pauseAt = this.#at + STRETCH
        yield
      }
      if (PLAIN_CHAR.test(char) && !QUANTIFIERS.includes(this.#chars[this.#at + 1] ?? '')) {
        // The usual case.
        items.push({ kind: 'char', char })
        this.#at++
      } else if (char === '\\' && this.#chars[this.#at + 1] === 'Q')
        for (const item of this.#readQuoted()) items.push(item)
      else items.push(yield* this.#readRepeated())
    }
    return items.length === 1 ? (items[0] as RegexpNode) : { kind: 'sequence', items }
  }

  /** `\Q…\E`; re2js handles a repetition of its last character. */
  #readQuoted(): RegexpNode[] {
    this.#at += 2
    const items: RegexpNode[] = []
    for (;;) {
      const char = this.#chars[this.#at++]
      if (char === undefined) return items
      if (char === '\\' && this.#chars[this.#at] === 'E') break
      if (!isWhole(char)) throw BEYOND
      items.push({ kind: 'char', char })
    }
    this.#at++
    if (QUANTIFIERS.includes(this.#peek() ?? '')) throw BEYOND
    return items
  }

  *#readRepeated(): Slices<RegexpNode> {
    const body = this.#peek() === '(' ? yield* this.#readGroup() : this.#readAtom()
    const bounds = this.#readBounds()
    if (bounds === undefined) return body
    if (EDGES.includes(body.kind)) throw BEYOND
    const isLazy = this.#take('?')
    // A second operator: RE2 rejects what RegExp might interpret differently.
    if (QUANTIFIERS.includes(this.#peek() ?? '')) throw BEYOND
    return { kind: 'repeat', body, ...bounds, isLazy }
  }

  #readBounds(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
    if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (this.#peek() !== '{') return undefined
    const text = this.#chars.slice(this.#at + 1, this.#at + 1 + BRACES_MAX).join('')
    const close = this.#at + 1 + text.indexOf('}')
    const match = /^(\d{1,3})(?:(,)(\d{0,3}))?\}/.exec(text)
    if (match === null) return this.#readBrace(text)
    const [, low = '', comma = '', high = ''] = match
    const min = Number(low)
    const max = comma === '' ? min : high === '' ? Number.POSITIVE_INFINITY : Number(high)
    if (min > max || min > REPEAT_MAX || (max > REPEAT_MAX && max !== Number.POSITIVE_INFINITY)) throw BEYOND
    this.#at = close + 1
    return { min, max }
  }

  /** A brace that does not start a repetition is literal; re2js rejects repetitions of four digits. */
  #readBrace(text: string): undefined {
    if (/^\d+(,\d*)?(\}|$)/.test(text)) throw BEYOND
  }

  #readAtom(): RegexpNode {
    const char = this.#chars[this.#at++] as string
    if (char === '[') return this.#readSet()
    if (char === '.') return this.#dotAll ? setNode('^', '') : setNode('^', '\\n')
    if (char === '^') return { kind: 'begin' }
    if (char === '$') return { kind: 'end' }
    if (char === '\\') return this.#readEscape()
    if (['*', '+', '?', ')'].includes(char) || !isWhole(char)) throw BEYOND
    return { kind: 'char', char }
  }

  *#readGroup(): Slices<RegexpNode> {
    this.#at++
    let name: string | undefined = ''
    if (this.#take('?')) {
      if (this.#take(':')) name = undefined
      else {
        this.#take('P')
        name = this.#readGroupName()
      }
    }
    const body = yield* this.#readAlternation()
    if (!this.#take(')')) throw BEYOND
    return { kind: 'group', body, name }
  }

  #readGroupName(): string {
    if (!this.#take('<')) throw BEYOND
    let name = ''
    while (/^[A-Za-z0-9_]$/.test(this.#peek() ?? '')) name += this.#chars[this.#at++]
    if (!/^[A-Za-z_]/.test(name) || this.#names.has(name) || !this.#take('>')) throw BEYOND
    this.#names.add(name)
    return name
  }

  #readEscape(): RegexpNode {
    const char = this.#chars[this.#at++] ?? ''
    const perl = PERL_CLASSES[char] ?? PERL_CLASSES[char.toLowerCase()]
    if (perl !== undefined) return setNode(char === char.toLowerCase() ? '' : '^', perl)
    if (char === 'A') return { kind: 'begin' }
    if (char === 'z') return { kind: 'end' }
    // With the flag i, RegExp treats some non-ASCII letters as word characters.
    if (char === 'b' && !this.#ignoresCase) return { kind: 'word_edge' }
    return { kind: 'char', char: this.#escapedChar(char) }
  }

  #escapedChar(char: string): string {
    if (char === 'x') return this.#readHex()
    const control = CONTROL_ESCAPES[char]
    if (control !== undefined) return control
    if (!PUNCTUATION.test(char)) throw BEYOND
    return char
  }

  /** `\x41` or `\x{1F600}` */
  #readHex(): string {
    const text = this.#chars.slice(this.#at, this.#at + 10).join('')
    const match = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/.exec(text)
    if (match === null) throw BEYOND
    this.#at += match[0].length
    const code = Number.parseInt(match[1] ?? match[2] ?? '', 16)
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw BEYOND
    return String.fromCodePoint(code)
  }

  #readSet(): RegexpNode {
    const negation = this.#take('^') ? '^' : ''
    let source = ''
    for (let first = true; ; first = false) {
      const low = this.#chars[this.#at++]
      if (low === undefined || (first && low === ']')) throw BEYOND
      if (low === ']') break
      if (low === '[') {
        source += this.#readPosix()
        if (this.#peek() === '-') throw BEYOND
        continue
      }
      const perl = low === '\\' ? PERL_CLASSES[this.#peek() ?? ''] : undefined
      if (perl !== undefined) {
        this.#at++
        source += perl
        if (this.#peek() === '-') throw BEYOND
        continue
      }
      const from = this.#setChar(low)
      source += quoteInSet(from)
      if (this.#peek() !== '-' || this.#chars[this.#at + 1] === ']') continue
      this.#at++
      const high = this.#chars[this.#at++]
      if (high === undefined || high === '[') throw BEYOND
      const to = this.#setChar(high)
      if ((to.codePointAt(0) as number) < (from.codePointAt(0) as number)) throw BEYOND
      source += `-${quoteInSet(to)}`
    }
    return setNode(negation, source)
  }

  /** `[:digit:]`, after its first bracket. */
  #readPosix(): string {
    const match = /^:([a-z]{5,6}):\]/.exec(this.#chars.slice(this.#at, this.#at + 9).join(''))
    const source = POSIX_CLASSES[match?.[1] ?? '']
    if (match === null || source === undefined) throw BEYOND
    this.#at += match[0].length
    return source
  }

  #setChar(char: string): string {
    if (!isWhole(char)) throw BEYOND
    return char === '\\' ? this.#escapedChar(this.#chars[this.#at++] ?? '') : char
  }

  #peek(): string | undefined {
    return this.#chars[this.#at]
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false
    this.#at++
    return true
  }
}

/** Not a lone surrogate, which cannot come from UTF-8. */
function isWhole(char: string): boolean {
  const code = char.codePointAt(0) as number
  return code < 0xd800 || code > 0xdfff
}

function quoteInSet(char: string): string {
  return PUNCTUATION.test(char) ? `\\${char}`.replace(/^\\([^\\\]^-])$/, '$1') : char
}

/** Cached sets: patterns repeat them, and each is tested against all of ASCII. */
const SETS = new Map<string, RegexpNode & { readonly kind: 'set' }>()
const SETS_MAX = 1000

function setNode(negation: '' | '^', inside: string): RegexpNode {
  const source = `[${negation}${inside}]`
  const known = SETS.get(source)
  if (known !== undefined) return known
  const test = new RegExp(source, 'u')
  const set = new Uint8Array(OTHER_CHARS + 1)
  for (let code = 0; code < OTHER_CHARS; code++) set[code] = test.test(String.fromCharCode(code)) ? 1 : 0
  // Non-ASCII characters share one flag, set if the set may contain any of them.
  set[OTHER_CHARS] = negation === '^' || [...inside].some((char) => char > '\u007f') ? 1 : 0
  const node = { kind: 'set', set, source } as const
  if (SETS.size >= SETS_MAX) SETS.clear()
  SETS.set(source, node)
  return node
}
