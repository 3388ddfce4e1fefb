/** Reads the part of RE2's syntax that means the same to the engine's own RegExp; everything else is left to re2js. */

export type RegexpNode =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'set'; readonly set: CharSet; readonly source: string }
  | { readonly kind: 'begin' | 'end' }
  | { readonly kind: 'sequence' | 'alternation'; readonly items: readonly RegexpNode[] }
  | { readonly kind: 'group'; readonly body: RegexpNode; readonly isCapturing: boolean }
  | {
      readonly kind: 'repeat'
      readonly body: RegexpNode
      readonly min: number
      readonly max: number
      readonly isLazy: boolean
    }

/** Which characters a place may take: one flag for each ASCII character, the last one for all others. */
export type CharSet = Uint8Array

export interface RegexpTree {
  readonly root: RegexpNode
  readonly ignoresCase: boolean
}

export const OTHER_CHARS = 128

/**
 * The tree of a pattern that re2js accepted, or undefined where it uses syntax beyond the subset. With `dotAll`, `.`
 * takes line breaks as well.
 */
export function readRegexp(pattern: string, dotAll: boolean): RegexpTree | undefined {
  const ignoresCase = pattern.startsWith('(?i)')
  const reader = new RegexpReader(ignoresCase ? pattern.slice(4) : pattern, dotAll)
  try {
    return { root: reader.readAll(), ignoresCase }
  } catch (error) {
    if (error === BEYOND) return undefined
    throw error
  }
}

/** Thrown where the subset ends. */
const BEYOND = new Error('BUG: the end of the regular expression subset was not caught')
const DEPTH_MAX = 50
/** Copies of a body that a repetition may ask for. */
const REPEAT_MAX = 100

const CONTROL_ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v', a: '\u0007' }
/** Perl classes as RE2 means them: ASCII only, and the vertical tab is no space. */
const PERL_CLASSES: Readonly<Record<string, string>> = { d: '0-9', w: '0-9A-Za-z_', s: '\\t\\n\\f\\r ' }
const PUNCTUATION = /^[!-/:-@[-`{-~]$/

class RegexpReader {
  readonly #chars: readonly string[]
  readonly #dotAll: boolean
  #at = 0
  #depth = 0

  constructor(pattern: string, dotAll: boolean) {
    this.#chars = [...pattern]
    this.#dotAll = dotAll
  }

  readAll(): RegexpNode {
    const root = this.#readAlternation()
    if (this.#at < this.#chars.length) throw BEYOND
    return root
  }

  #readAlternation(): RegexpNode {
    if (++this.#depth > DEPTH_MAX) throw BEYOND
    const items = [this.#readSequence()]
    while (this.#take('|')) items.push(this.#readSequence())
    this.#depth--
    return items.length === 1 ? (items[0] as RegexpNode) : { kind: 'alternation', items }
  }

  #readSequence(): RegexpNode {
    const items: RegexpNode[] = []
    for (let char = this.#peek(); char !== undefined && char !== '|' && char !== ')'; char = this.#peek()) {
      items.push(this.#readRepeated())
    }
    return items.length === 1 ? (items[0] as RegexpNode) : { kind: 'sequence', items }
  }

  #readRepeated(): RegexpNode {
    const body = this.#readAtom()
    const bounds = this.#readBounds()
    if (bounds === undefined) return body
    if (body.kind === 'begin' || body.kind === 'end') throw BEYOND
    const isLazy = this.#take('?')
    // A second operator: RE2 refuses what RegExp might read otherwise.
    if (['*', '+', '?', '{'].includes(this.#peek() ?? '')) throw BEYOND
    return { kind: 'repeat', body, ...bounds, isLazy }
  }

  #readBounds(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
    if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (this.#peek() !== '{') return undefined
    const close = this.#chars.indexOf('}', this.#at)
    const match = /^(\d{1,3})(,?)(\d{0,3})$/.exec(this.#chars.slice(this.#at + 1, Math.max(close, 0)).join(''))
    if (match === null) return this.#readBrace(close)
    const [, low = '', comma, high = ''] = match
    const min = Number(low)
    const max = comma === '' ? min : high === '' ? Number.POSITIVE_INFINITY : Number(high)
    if (min > max || min > REPEAT_MAX || (max > REPEAT_MAX && max !== Number.POSITIVE_INFINITY)) throw BEYOND
    this.#at = close + 1
    return { min, max }
  }

  /** A brace that begins no repetition stands for itself; repetitions of four digits are re2js's to refuse. */
  #readBrace(close: number): undefined {
    if (/^\d+(,\d*)?$/.test(this.#chars.slice(this.#at + 1, Math.max(close, 0)).join(''))) throw BEYOND
  }

  #readAtom(): RegexpNode {
    const char = this.#chars[this.#at++] as string
    if (char === '(') return this.#readGroup()
    if (char === '[') return this.#readSet()
    if (char === '.') return this.#dotAll ? setNode('^', '') : setNode('^', '\\n')
    if (char === '^') return { kind: 'begin' }
    if (char === '$') return { kind: 'end' }
    if (char === '\\') return this.#readEscape()
    if (['*', '+', '?', ')'].includes(char) || !isWhole(char)) throw BEYOND
    return { kind: 'char', char }
  }

  #readGroup(): RegexpNode {
    let isCapturing = true
    if (this.#take('?')) {
      if (this.#take(':')) isCapturing = false
      else {
        this.#take('P')
        if (!this.#take('<')) throw BEYOND
        const close = this.#chars.indexOf('>', this.#at)
        if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(this.#chars.slice(this.#at, Math.max(close, 0)).join(''))) throw BEYOND
        this.#at = close + 1
      }
    }
    const body = this.#readAlternation()
    if (!this.#take(')')) throw BEYOND
    return { kind: 'group', body, isCapturing }
  }

  #readEscape(): RegexpNode {
    const char = this.#chars[this.#at++] ?? ''
    const perl = PERL_CLASSES[char] ?? PERL_CLASSES[char.toLowerCase()]
    if (perl !== undefined) return setNode(char === char.toLowerCase() ? '' : '^', perl)
    return { kind: 'char', char: escapedChar(char) }
  }

  #readSet(): RegexpNode {
    const negation = this.#take('^') ? '^' : ''
    let source = ''
    for (let first = true; ; first = false) {
      const low = this.#chars[this.#at++]
      if (low === undefined || low === '[' || (first && low === ']')) throw BEYOND
      if (low === ']') break
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

  #setChar(char: string): string {
    if (!isWhole(char)) throw BEYOND
    return char === '\\' ? escapedChar(this.#chars[this.#at++] ?? '') : char
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

function escapedChar(char: string): string {
  const control = CONTROL_ESCAPES[char]
  if (control !== undefined) return control
  if (!PUNCTUATION.test(char)) throw BEYOND
  return char
}

/** Not half of a pair: such text cannot come from UTF-8. */
function isWhole(char: string): boolean {
  const code = char.codePointAt(0) as number
  return code < 0xd800 || code > 0xdfff
}

function quoteInSet(char: string): string {
  return PUNCTUATION.test(char) ? `\\${char}`.replace(/^\\([^\\\]^-])$/, '$1') : char
}

function setNode(negation: '' | '^', inside: string): RegexpNode {
  const source = `[${negation}${inside}]`
  const test = new RegExp(source, 'u')
  const set = new Uint8Array(OTHER_CHARS + 1)
  for (let code = 0; code < OTHER_CHARS; code++) set[code] = test.test(String.fromCharCode(code)) ? 1 : 0
  // Characters beyond ASCII are one lump: taken when the set can take any of them.
  set[OTHER_CHARS] = negation === '^' || [...inside].some((char) => char > '\u007f') ? 1 : 0
  return { kind: 'set', set, source }
}
