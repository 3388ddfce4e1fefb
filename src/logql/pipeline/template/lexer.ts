/** Splits template text into tokens. */

import { GatewayError } from '../../../domain/errors.ts'
import { unescapeGo } from '../../../domain/labels.ts'

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'variable'
  | 'word'
  | 'number'
  | 'char'
  | 'string'
  | 'dot'
  | 'space'
  | '|'
  | '('
  | ')'
  | ','
  | ':='
  | '='
  | 'end'

export interface Token {
  readonly kind: TokenKind
  /** A string without quotes and escapes, a field without its dot. */
  readonly text: string
  readonly at: number
}

const LEFT = '{{'
const RIGHT = '}}'
const SPACE = /[ \t\r\n]+/y
const COMMENT = /(-[ \t\r\n]+)?\/\*[\s\S]*?\*\/([ \t\r\n]+-)?\}\}/y
const RIGHT_TRIM = /[ \t\r\n]+-\}\}/y
const NAME = '[\\p{L}_][\\p{L}\\p{Nd}_]*'
const TOKENS: readonly [kind: TokenKind, pattern: RegExp][] = [
  ['field', new RegExp(`\\.(${NAME})`, 'yu')],
  ['variable', new RegExp(`\\$(?:${NAME})?`, 'yu')],
  ['number', /[-+]?(?:\d|\.\d)[\w.]*(?:(?<=[eEpP])[-+]\w+)?/y],
  ['word', new RegExp(NAME, 'yu')],
  ['dot', /\./y],
  [':=', /:=/y],
  ['=', /=/y],
  ['|', /\|/y],
  ['(', /\(/y],
  [')', /\)/y],
  [',', /,/y],
]
const QUOTED = /"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`/y
const CHAR = /'(?:[^'\\\n]|\\[^\n]+?)'/y

/** All tokens of a template, the last one `end`. Space inside actions is kept, because it separates arguments. */
export function lexTemplate(source: string): Token[] {
  return new Lexer(source).run()
}

/** An error in the template text, with its position. */
export function templateError(source: string, at: number, problem: string): GatewayError {
  const line = source.slice(0, at).split('\n').length
  return new GatewayError('query_malformed', `parse error : invalid template: line ${line}: ${problem}`)
}

class Lexer {
  readonly #source: string
  readonly #tokens: Token[] = []
  #at = 0
  #trimsNext = false

  constructor(source: string) {
    this.#source = source
  }

  run(): Token[] {
    while (this.#at < this.#source.length) {
      this.#readText()
      if (this.#at < this.#source.length) this.#readAction()
    }
    this.#push('end', '', this.#at)
    return this.#tokens
  }

  #readText(): void {
    const start = this.#at
    const open = this.#source.indexOf(LEFT, start)
    this.#at = open < 0 ? this.#source.length : open
    let text = this.#source.slice(start, this.#at)
    if (this.#trimsNext) text = text.replace(/^[ \t\r\n]+/, '')
    if (open >= 0 && /^-[ \t\r\n]/.test(this.#source.slice(open + 2, open + 4))) text = trimEnd(text)
    if (text !== '') this.#push('text', text, start)
  }

  #readAction(): void {
    const start = this.#at
    this.#at += LEFT.length
    const comment = this.#match(COMMENT)
    if (comment !== undefined) {
      this.#trimsNext = comment.endsWith('-}}')
      return
    }
    if (/^-[ \t\r\n]/.test(this.#source.slice(this.#at, this.#at + 2))) this.#at += 1
    this.#push('open', LEFT, start)
    while (!this.#readClose()) this.#readToken(start)
  }

  #readClose(): boolean {
    const trims = this.#match(RIGHT_TRIM) !== undefined
    if (!trims && !this.#source.startsWith(RIGHT, this.#at)) return false
    if (!trims) this.#at += RIGHT.length
    this.#trimsNext = trims
    this.#push('close', RIGHT, this.#at)
    return true
  }

  #readToken(start: number): void {
    const at = this.#at
    if (at >= this.#source.length) throw templateError(this.#source, start, 'unclosed action; expected "}}"')
    if (this.#match(SPACE) !== undefined) this.#push('space', ' ', at)
    else if (!this.#readQuoted(at) && !this.#readSimple(at)) {
      const char = String.fromCodePoint(this.#source.codePointAt(at) as number)
      throw templateError(this.#source, at, `unexpected ${JSON.stringify(char)} in an action`)
    }
  }

  #readSimple(at: number): boolean {
    for (const [kind, pattern] of TOKENS) {
      const text = this.#match(pattern)
      if (text === undefined) continue
      this.#push(kind, kind === 'field' ? text.slice(1) : text, at)
      return true
    }
    return false
  }

  #readQuoted(at: number): boolean {
    const first = this.#source[at]
    if (first !== '"' && first !== '`' && first !== "'") return false
    const quoted = this.#match(first === "'" ? CHAR : QUOTED)
    if (quoted === undefined) throw templateError(this.#source, at, 'unterminated quoted string')
    const inside = quoted.slice(1, -1)
    const text = first === '`' ? inside : unescapeGo(inside, first)
    if (text === undefined) throw templateError(this.#source, at, 'invalid escape in a quoted string')
    this.#push(first === "'" ? 'char' : 'string', text, at)
    return true
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const text = pattern.exec(this.#source)?.[0]
    if (text !== undefined) this.#at += text.length
    return text
  }

  #push(kind: TokenKind, text: string, at: number): void {
    this.#tokens.push({ kind, text, at })
  }
}

/** A loop, because a pattern for trailing space would be tried at every space before it. */
function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && ' \t\r\n'.includes(text[end - 1] as string)) end--
  return text.slice(0, end)
}
