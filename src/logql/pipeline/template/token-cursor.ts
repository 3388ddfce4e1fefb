/** A position in the tokens of a template, and the errors that name it. */

import { lexTemplate, type Token, templateError } from './lexer.ts'

/** Blocks in blocks and brackets in brackets. */
const DEPTH_MAX = 64
const SHOWN_CHARS_MAX = 64

export class TokenCursor {
  readonly #source: string
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
    this.#tokens = lexTemplate(source)
  }

  peek(): Token {
    // The last token is `end`, and nobody reads past it.
    return this.#tokens[this.#at] as Token
  }

  take(): Token {
    const token = this.peek()
    if (token.kind !== 'end') this.#at++
    return token
  }

  skipSpace(): void {
    while (this.peek().kind === 'space') this.#at++
  }

  /** The `}}` of what has nothing more to say. */
  expectClose(what: string): void {
    this.skipSpace()
    const token = this.take()
    if (token.kind !== 'close') throw this.unexpected(token, `"}}" of ${what}`)
  }

  /** Reads, and comes back here when that finds nothing. */
  attempt<T>(read: () => T | undefined): T | undefined {
    const start = this.#at
    const result = read()
    if (result === undefined) this.#at = start
    return result
  }

  /** Reads something that may hold its like. */
  nest<T>(read: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw this.error(`nested deeper than ${DEPTH_MAX}`)
    const result = read()
    this.#depth--
    return result
  }

  unexpected({ kind, text, at }: Token, wanted: string): Error {
    const found = kind === 'end' ? 'the end of the template' : `"${shorten(text)}"`
    return templateError(this.#source, at, `unexpected ${found}; wanted ${wanted}`)
  }

  error(problem: string, at = this.peek().at): Error {
    return templateError(this.#source, at, problem)
  }
}

export function shorten(text: string): string {
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text
}
