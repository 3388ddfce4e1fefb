/** Random LogQL: from the grammar, from known queries, and from random tokens. */

import { LOG_RANGE_OPERATIONS, UNWRAPPED_RANGE_OPERATIONS, VECTOR_OPERATIONS } from '../../src/logql/parse/syntax.ts'
import { FUNCTION_NAMES } from '../../src/logql/pipeline/template/template.ts'
import type { Random } from '../support/random.ts'

/** Usual, odd and wrong parts: a query with only wrong parts never reaches the engine. */
interface Choice {
  readonly usual: readonly string[]
  readonly odd: readonly string[]
}

const ODD_SHARE = 0.02
const NAMES: Choice = {
  usual: ['app', 'v', 'w', 'trace', 'detected_level', 'level', 'x_extracted', '__error__', 'n_w'],
  odd: ['by', 'json', 'é', '__proto__', 'sum', '1a', '__line__'],
}
const TEXTS: Choice = {
  usual: ['', 'a', 'info', '1', 'v', '{{.v}}', '10.0.0.1', 'é', '$1', '.*', 'n.w', 'w[0]'],
  odd: ['\\', '"', '10.0.0.0/8', '<v> <_>', '\0', '\u{1f600}', 'n["w', '$1$2'],
}
const ADDRESSES: Choice = {
  usual: ['10.0.0.1', '10.0.0.0/8', '10.0.0.0-10.0.0.9', '::1/64'],
  odd: ['a', '10.0.0.1/99'],
}
const PATHS: Choice = { usual: ['v', 'n.w', 'w[0]', 'n["w"]', 'x.y.z'], odd: ['', 'n[', '[0]', 'n..w', 'w[-1]'] }
const NUMBERS: Choice = {
  usual: ['0', '1', '-1', '0.5', '1e3', '2', '.5', '-0', '5'],
  odd: ['0x10', '1e400', '99999999999999999999', 'Inf', 'NaN', '--1', '1_0'],
}
const DURATIONS: Choice = {
  usual: ['1s', '5s', '1m', '1h30m', '5ms', '1d', '10s', '3ns'],
  odd: ['0s', '999999h', '1y', '-5s', '1.5s', '1x'],
}
const SIZES: Choice = { usual: ['1B', '1KB', '2MiB', '1.5GB'], odd: ['1kb', '0b', '9EB', '99YB'] }
const REGEXPS: Choice = {
  usual: ['.*', '.+', 'a|b', '(?i)INFO', '^v=', '[0-9]+', '\\bv\\b', '(a+)+$', '(?s)a.b', '[^\\n]{1,9}', '\\p{L}+'],
  odd: ['(', 'x{1000}', '((a{9}){9}){9}', '(?P<v>', '\\8', '[z-a]', '(?<v>a)', 'a**'],
}
const CAPTURES: Choice = {
  usual: ['(?P<v>\\d+)', 'v=(?P<v>\\S*)', '(?P<v>a*)*', '(?P<v>.)(?P<w>.)?', '(?P<app>.+)'],
  odd: ['a', '(?P<v>a)(?P<v>b)', '(?P<é>a)', '('],
}
const PATTERNS: Choice = {
  usual: ['<v>=<w>', '<_> <v>', 'v=<v> <_>', '<v> <_>'],
  odd: ['<v><w>', '<>', 'x', '<_>', '<v> <v>', '', '<1>'],
}
const GAPS: Choice = { usual: ['<_>=<_>', '<_>', 'v=<_>', 'a<_>'], odd: ['<_><_>', '', '<v>'] }
const TOKENS = [
  ...['{', '}', '(', ')', '[', ']', '[5s]', '[1m]', ',', '|', '=', '==', '!=', '=~', '!~', '|=', '|~', '|>', '!>'],
  ...['+', '-', '*', '/', '%', '^', '>', '<', '>=', '<=', 'and', 'or', 'unless', 'bool', 'on', 'ignoring', 'offset'],
  ...['group_left', 'group_right', 'by', 'without', 'json', 'logfmt', '--strict', '--keep-empty', 'regexp', 'pattern'],
  ...['unpack', 'unwrap', 'line_format', 'label_format', 'decolorize', 'drop', 'keep', 'ip', 'label_replace', 'vector'],
  ...[
    'duration',
    'bytes',
    'duration_seconds',
    '#',
    '\n',
    '`',
    '"',
    "'",
    '{app="a"}',
    '"a"',
    '`b`',
    '@',
    '$',
    ';',
    '\0',
  ],
]
const CHARS = [...'{}()[]|=!~<>"`\\,.:#+-*/%^ \n\t$é😀\0\ufffd019azAZ_', '\ud800']
const DEPTH_MAX = 4

export class QueryMaker {
  readonly #random: Random
  readonly #known: readonly string[]

  /** `known`: queries to mutate. */
  constructor(random: Random, known: readonly string[]) {
    this.#random = random
    this.#known = known
  }

  make(): string {
    const share = this.#random.next()
    if (share < 0.6) return this.#random.chance(0.4) ? this.#log() : this.#metric(0)
    if (share < 0.8) return this.#mutated(this.#random.pick(this.#known))
    if (share < 0.92) return this.#mutated(this.#random.chance(0.5) ? this.#log() : this.#metric(0))
    if (share < 0.97) return `{app=~".+"} ${this.#times(4, () => this.#soup()).join(' ')}`
    return this.#times(30, () => this.#soup()).join(this.#random.pick(['', ' ', ' ']))
  }

  #one({ usual, odd }: Choice): string {
    return this.#random.pick(this.#random.chance(ODD_SHARE) ? odd : usual)
  }

  #times<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.#random.integer(most + 1) }, make)
  }

  #soup(): string {
    const random = this.#random
    const lists = [TOKENS, VECTOR_OPERATIONS, UNWRAPPED_RANGE_OPERATIONS]
    const choices = [NAMES, TEXTS, NUMBERS, DURATIONS, SIZES, REGEXPS]
    if (random.chance(0.1)) return this.#text()
    return random.chance(0.4) ? this.#one(random.pick(choices)) : random.pick(random.pick(lists))
  }

  /** One to three changes of characters, tokens or parts. */
  #mutated(query: string): string {
    const random = this.#random
    let text = query
    for (let i = random.integer(3); i >= 0; i--) {
      const at = random.integer(text.length + 1)
      const end = Math.min(text.length, at + random.integer(8))
      const other = random.pick(this.#known)
      text = random.pick([
        () => text.slice(0, at) + text.slice(end),
        () => text.slice(0, at) + random.pick(CHARS) + text.slice(at),
        () => text.slice(0, at) + random.pick(CHARS) + text.slice(at + 1),
        () => `${text.slice(0, at)} ${this.#soup()} ${text.slice(at)}`,
        () => text.slice(0, end) + text.slice(at, end).repeat(random.integer(4)) + text.slice(end),
        () => text.slice(0, at) + other.slice(random.integer(other.length)),
        () => `${text} ${this.#stage()}`,
        () => `(${text}) ${random.pick(['+', '/', 'and', '> bool', 'or on (app)', '^'])} (${other})`,
      ])()
    }
    return text
  }

  #string(text: string): string {
    const quoted = this.#random.chance(0.5) ? JSON.stringify(text) : `\`${text}\``
    return this.#random.chance(0.005) ? quoted.slice(0, -1) : quoted
  }

  #text(): string {
    return this.#string(this.#one(TEXTS))
  }

  #regexp(): string {
    return this.#string(this.#one(REGEXPS))
  }

  #selector(): string {
    const random = this.#random
    if (random.chance(0.6)) return random.pick(['{app=~".+"}', '{app="a"}', '{app=~"a|b", v!="1"}', '{app="never"}'])
    const first = random.chance(0.95) ? ['app=~".+"'] : []
    const matchers = [...first, ...this.#times(2, () => this.#matcher())]
    return `{${matchers.join(', ')}${random.chance(0.05) ? ',' : ''}}`
  }

  #matcher(): string {
    const random = this.#random
    const name = this.#one(NAMES)
    return random.chance(0.5)
      ? `${name}${random.pick(['=', '!='])}${this.#text()}`
      : `${name}${random.pick(['=~', '!~'])}${this.#regexp()}`
  }

  #log(): string {
    return `${this.#selector()} ${this.#times(4, () => this.#stage()).join(' ')}`
  }

  #stage(): string {
    const random = this.#random
    const name = (): string => this.#one(NAMES)
    const list = (make: () => string): string => [make(), ...this.#times(2, make)].join(', ')
    return random.pick([
      () => `${random.pick(['|=', '!='])} ${this.#text()}${random.chance(0.2) ? ` or ${this.#text()}` : ''}`,
      () => `${random.pick(['|~', '!~'])} ${this.#regexp()}`,
      () => `${random.pick(['|>', '!>'])} ${this.#string(this.#one(GAPS))}`,
      () => `${random.pick(['|=', '!='])} ip(${this.#string(this.#one(ADDRESSES))})`,
      () => '| json',
      () => `| json ${list(() => `${name()}=${this.#string(this.#one(PATHS))}`)}`,
      () => `| logfmt ${random.pick(['', '--strict', '--keep-empty'])} ${random.chance(0.3) ? list(name) : ''}`,
      () => `| regexp ${this.#string(this.#one(CAPTURES))}`,
      () => `| pattern ${this.#string(this.#one(PATTERNS))}`,
      () => '| unpack',
      () => `| ${this.#filter(0)}`,
      () => `| line_format ${this.#string(this.#template(0))}`,
      () =>
        `| label_format ${list(() => `${name()}=${random.chance(0.5) ? name() : this.#string(this.#template(0))}`)}`,
      () => '| decolorize',
      () => `| ${random.pick(['drop', 'keep'])} ${list(() => (random.chance(0.6) ? name() : this.#matcher()))}`,
    ])()
  }

  #filter(depth: number): string {
    const random = this.#random
    if (depth < 2 && random.chance(0.3)) {
      return `(${this.#filter(depth + 1)} ${random.pick(['and', 'or', ',', ''])} ${this.#filter(depth + 1)})`
    }
    if (random.chance(0.3)) return this.#matcher()
    if (random.chance(0.1)) return `${this.#one(NAMES)} = ip(${this.#string(this.#one(ADDRESSES))})`
    const operator = random.pick(['==', '!=', '>', '>=', '<', '<=', '='])
    const value = random.pick([this.#one(NUMBERS), this.#one(DURATIONS), this.#one(SIZES), '5'])
    return `${this.#one(NAMES)} ${operator} ${value}`
  }

  /** A template: text and actions that call functions with arguments of any type. */
  #template(depth: number): string {
    const random = this.#random
    const call = (): string => `${random.pick(FUNCTION_NAMES)} ${this.#times(3, () => this.#operand(depth)).join(' ')}`
    const action = (): string => {
      if (depth < 2 && random.chance(0.15)) {
        const inner = this.#template(depth + 1)
        return `${random.pick(['if', 'with', 'range'])} ${this.#operand(depth)}}}${inner}{{else}}${inner}{{end`
      }
      return [random.chance(0.5) ? `.${this.#one(NAMES)}` : call(), ...this.#times(2, call)].join(' | ')
    }
    const parts = this.#times(2, () => `${random.pick(['', 'x', ' '])}{{${random.pick(['', '- '])}${action()}}}`)
    return random.chance(0.05) ? parts.join('').slice(0, -1) : parts.join('')
  }

  #operand(depth: number): string {
    const random = this.#random
    if (depth < 2 && random.chance(0.15)) {
      return `(${random.pick(FUNCTION_NAMES)} ${this.#times(2, () => this.#operand(depth + 1)).join(' ')})`
    }
    const texts = [
      this.#one(NUMBERS),
      this.#one(NUMBERS),
      '.v',
      '.w',
      '.app',
      '.',
      '$',
      '"a"',
      "'a'",
      '"2006-01-02"',
      '"[0-9]+"',
      '__line__',
      'true',
    ]
    return random.pick(texts)
  }

  #grouping(): string {
    const random = this.#random
    if (random.chance(0.5)) return ''
    return `${random.pick(['by', 'without'])} (${this.#times(3, () => this.#one(NAMES)).join(', ')})`
  }

  #range(): string {
    const random = this.#random
    const offset = random.chance(0.15) ? `offset ${random.pick(['', '-'])}${this.#one(DURATIONS)}` : ''
    return `[${this.#one(DURATIONS)}] ${offset}`
  }

  #leaf(): string {
    const random = this.#random
    if (random.chance(0.1)) return this.#one(NUMBERS)
    if (random.chance(0.1)) return `vector(${this.#one(NUMBERS)})`
    if (random.chance(0.5)) return `${random.pick(LOG_RANGE_OPERATIONS)}(${this.#log()} ${this.#range()})`
    const operation = random.pick(UNWRAPPED_RANGE_OPERATIONS)
    const parameter = operation === 'quantile_over_time' ? `${this.#one(NUMBERS)}, ` : ''
    const label = random.pick(['v', 'w', 'duration(v)', 'bytes(v)', 'duration_seconds(w)', 'v | __error__=""'])
    const grouping = /avg|min|max|stdd|stdv|quant|first|last/.test(operation) ? this.#grouping() : ''
    return `${operation}(${parameter}${this.#log()} | unwrap ${label} ${this.#range()}) ${grouping}`
  }

  #metric(depth: number): string {
    const random = this.#random
    if (depth >= DEPTH_MAX || random.chance(0.3)) return this.#leaf()
    const inner = (): string => this.#metric(depth + 1)
    return random.pick([
      () => {
        const operation = random.pick(VECTOR_OPERATIONS)
        const isOrdered = /sort|approx/.test(operation)
        const parameter = operation.endsWith('k') ? `${random.pick(['1', '2', '5'])}, ` : ''
        return `${operation} (${parameter}${inner()}) ${isOrdered ? '' : this.#grouping()}`
      },
      () =>
        `label_replace(${inner()}, "${this.#one(NAMES)}", ${this.#text()}, "${this.#one(NAMES)}", ${this.#regexp()})`,
      () => {
        const operator = random.pick(['+', '-', '*', '/', '%', '^', '==', '!=', '> bool', '<', 'and', 'or', 'unless'])
        const names = this.#times(2, () => this.#one(NAMES)).join(', ')
        const matching = random.chance(0.3) ? `${random.pick(['on', 'ignoring'])} (${names})` : ''
        const group =
          matching !== '' && random.chance(0.3) ? `${random.pick(['group_left', 'group_right'])} (${names})` : ''
        return `(${inner()}) ${operator} ${matching} ${group} (${inner()})`
      },
      inner,
    ])()
  }
}
