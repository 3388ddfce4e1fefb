/** Reads tokens for the parser, with Loki's error texts. */

import type { Anchoring, Regexp } from '../regexp/regexp.ts'
import { parseError, type Token, tokenize } from './lex.ts'
import { LOG_RANGE_OPERATIONS, UNWRAPPED_RANGE_OPERATIONS, VECTOR_OPERATIONS } from './syntax.ts'

/** Words that are a name unless a parenthesis follows. */
const FUNCTION_WORDS: ReadonlySet<string> = new Set([
  ...LOG_RANGE_OPERATIONS,
  ...UNWRAPPED_RANGE_OPERATIONS,
  ...VECTOR_OPERATIONS,
  ...['label_replace', 'vector', 'ip', 'bytes', 'duration', 'duration_seconds'],
])
const KEYWORDS: ReadonlySet<string> = new Set([
  ...['by', 'without', 'bool', 'offset', 'on', 'ignoring', 'group_left', 'group_right', 'and', 'or', 'unless'],
  ...['json', 'logfmt', 'regexp', 'pattern', 'unpack', 'line_format', 'label_format', 'decolorize', 'drop', 'keep'],
  'unwrap',
])

/** Maximum nesting of parentheses and calls. */
const DEPTH_MAX = 200
/** Maximum number of binary operators and label filter operators, because trees of this depth are walked recursively. */
const OPERATORS_MAX = 1000
/** Loki lists the expected tokens only if they are few. */
const WANTED_MAX = 4

/** A regular expression of the query, which is compiled after the whole text was parsed. */
export interface PendingPattern {
  readonly pattern: string
  readonly anchoring: Anchoring
  /** Throws if the pattern is not allowed at this place. */
  readonly check: (regexp: Regexp) => void
}

export class TokenReader {
  /** In the order of the text. */
  readonly patterns: PendingPattern[] = []
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0
  #operators = 0

  constructor(text: string) {
    this.#tokens = tokenize(text)
  }

  peek(ahead = 0): Token {
    return (this.#tokens[this.#at + ahead] ?? this.#tokens.at(-1)) as Token
  }

  advance(): Token {
    const token = this.peek()
    if (token.kind !== 'end') this.#at++
    return token
  }

  isSymbol(text: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token.kind === 'symbol' && token.text === text
  }

  /** The word in lower case, if the token is a word: keywords are case-insensitive. */
  word(ahead = 0): string | undefined {
    const token = this.peek(ahead)
    return token.kind === 'word' ? token.text.toLowerCase() : undefined
  }

  takeSymbol(text: string): boolean {
    if (!this.isSymbol(text)) return false
    this.#at++
    return true
  }

  takeWord(text: string): boolean {
    if (this.word() !== text) return false
    this.#at++
    return true
  }

  expectSymbol(text: string): void {
    if (!this.takeSymbol(text)) this.fail(text)
  }

  expectName(): string {
    const token = this.peek()
    if (token.kind !== 'word') return this.fail('IDENTIFIER')
    this.#at++
    return token.text
  }

  expectString(): string {
    const token = this.peek()
    if (token.kind !== 'string') return this.fail('STRING')
    this.#at++
    return token.text
  }

  /** A number with an optional sign. */
  expectNumber(): number {
    const sign = this.takeSymbol('-') ? -1 : 1
    if (sign === 1) this.takeSymbol('+')
    const token = this.peek()
    if (token.kind !== 'number') return this.fail('NUMBER')
    this.#at++
    return sign * token.value
  }

  /** Rejects the next token; `wanted` are the expected tokens, if they are few. */
  fail(...wanted: string[]): never {
    const token = this.peek()
    const expecting = wanted.length > 0 && wanted.length <= WANTED_MAX ? `, expecting ${wanted.join(' or ')}` : ''
    throw parseError(`syntax error: unexpected ${this.#nameOf(token)}${expecting}`, token)
  }

  /** Runs a recursive part of the parser. */
  nested<T>(read: () => T): T {
    if (++this.#depth > DEPTH_MAX) {
      throw parseError(`the query is nested more than ${DEPTH_MAX} levels deep; flatten it`, this.peek())
    }
    const result = read()
    this.#depth--
    return result
  }

  /** Schedules the pattern for compilation after the text was parsed. */
  compileLater(pattern: string, anchoring: Anchoring, check: PendingPattern['check'] = () => undefined): void {
    this.patterns.push({ pattern, anchoring, check })
  }

  countOperator(): void {
    if (++this.#operators > OPERATORS_MAX) {
      throw parseError(`the query has more than ${OPERATORS_MAX} operators; split it, or use a regular expression`)
    }
  }

  #nameOf(token: Token): string {
    switch (token.kind) {
      case 'end':
        return '$end'
      case 'string':
        return 'STRING'
      case 'number':
        return 'NUMBER'
      case 'duration':
        return 'DURATION'
      case 'size':
        return 'BYTES'
      case 'range':
        return 'RANGE'
      case 'flag':
        return 'PARSER_FLAG'
      case 'symbol':
        return /^[ -~]+$/.test(token.text) && !/[@;&$?\\:~]/.test(token.text) ? token.text : 'IDENTIFIER'
      case 'word': {
        const word = token.text.toLowerCase()
        if (KEYWORDS.has(word)) return word
        return FUNCTION_WORDS.has(word) && this.isSymbol('(', 1) ? word : 'IDENTIFIER'
      }
    }
  }
}
