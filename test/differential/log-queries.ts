/** Random log queries: selectors and pipelines of every stage. */

import type { Random } from '../support/random.ts'
import { makeTemplate } from './templates.ts'
import { ADDRESSES, DURATIONS, FIELD_NAMES, LABEL_VALUES, NUMBERS, QUERY_NAMES, SIZES, WORDS } from './vocabulary.ts'

const REGEXPS = [
  ...['.*', '.+', 'a|b', 'a.*', '(?i)ERROR', '[0-9]+', '^\\d', 'user|info', '\\bGET\\b', '(?i)(error|warn)', '[a-z]+'],
  ...[
    'prod|dev',
    '2..',
    '[45]\\d\\d',
    '\\w+',
    '\\S+\\s\\S+',
    'é',
    '.',
    'x?',
    '(a|b)+',
    '^$',
    '\\.',
    'a{1,2}',
    '[^a]',
    '$',
  ],
  ...['(?s).+', '(?-s).+', '\\pL+', '[[:alpha:]]+', '.*error.*', '.*a', 'a.*b', '(?:a)', '\\x41', '\\Qa.b\\E'],
] as const
const CAPTURES = [
  ...[
    '(?P<v>\\d+)',
    '(?P<user>\\w+) (?P<w>\\w+)',
    'level=(?P<level>\\w+)',
    '(?P<ip>\\S+) - - \\[.*\\] "(?P<method>\\w+)',
  ],
  ...[
    '(?P<status>\\d{3})',
    '^(?P<app>.)',
    '(?P<v>a)?(?P<w>.)?',
    '(?P<n>[0-9.]+)(ms|s)',
    '(?P<v>.*)',
    '(?<v>\\w+)',
    '(?i)(?P<v>ERR|INFO)',
  ],
] as const
const PATTERNS = [
  ...['<ip> - - [<_>] "<method> <path> <_>" <status> <size>', '<v> <w>', '<_>=<v> <_>', 'level=<level> <_>', '<v>:<w>'],
  ...['{"<_>":<v>,<_>', '<_> <v>', '<v> ', 'x<v>', '<v>="<w>"', '<v>é<w>'],
] as const
const SHAPES = [
  '<_>',
  '<_>=<_>',
  '<_>error<_>',
  '{<_>}',
  'level=<_> <_>',
  '<_> - - <_>',
  '<_>:<_>,<_>',
  'a<_>',
  '<_>a',
  '',
] as const
const IP_PATTERNS = [
  '10.0.0.1',
  '10.0.0.0/8',
  '10.0.0.0-10.0.0.255',
  '192.168.4.5/16',
  '::1',
  '2001:db8::/32',
  '::1-::5',
] as const
const PATHS = [
  ...[
    'v',
    'user.name',
    'user',
    'n',
    '["a-b"]',
    'user["name"]',
    'n[0]',
    'err.msg',
    'user[0].v',
    'status',
    'app',
    'a.b.c',
  ],
  ...['[0]', '["user.name"]', 'v.w', 'err[1]', '_x', '["1st"]', 'took'],
] as const

/** The keys that a logfmt expression may name. */
const LOGFMT_KEYS = FIELD_NAMES.filter((name) => /^[a-zA-Z_]\w*$/.test(name))

export class LogQueryMaker {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** A selector with up to five stages. */
  query(): string {
    return `${this.selector()}${this.pipeline(5)}`
  }

  pipeline(most: number): string {
    return this.#times(most, () => ` ${this.stage()}`).join('')
  }

  selector(): string {
    const random = this.#random
    const first = random.pick(['app=~".+"', 'app=~".+"', 'app=~".+"', 'app="a"', 'app=~"a|b"', 'app=~"a.*"'])
    const others = random.chance(0.25) ? this.#times(2, () => this.matcher()) : []
    return `{${[first, ...others].join(', ')}}`
  }

  matcher(): string {
    const random = this.#random
    const name = this.name()
    if (random.chance(0.5))
      return `${name}${random.pick(['=', '!='])}${this.text(random.chance(0.1) ? '' : this.value())}`
    return `${name}${random.pick(['=~', '!~'])}${this.text(random.pick(REGEXPS))}`
  }

  name(): string {
    return this.#random.chance(0.02)
      ? this.#random.pick(['__error__', '__error_details__'])
      : this.#random.pick(QUERY_NAMES)
  }

  /** A name that a parser or format stage gives. */
  target(): string {
    return this.#random.pick(QUERY_NAMES)
  }

  names(most: number): string {
    return [this.name(), ...this.#times(most - 1, () => this.name())].join(', ')
  }

  value(): string {
    return this.#random.pick(this.#random.pick([LABEL_VALUES, NUMBERS, DURATIONS, SIZES, WORDS]))
  }

  /** The text as a literal, in one of Go's two forms. */
  text(text: string): string {
    return this.#random.chance(0.3) && !/[`\r]/.test(text) ? `\`${text}\`` : JSON.stringify(text)
  }

  stage(): string {
    const random = this.#random
    const share = random.next()
    if (share < 0.3) return this.#parser()
    if (share < 0.5) return this.#lineFilter()
    if (share < 0.75) return `| ${this.filter(0)}`
    if (share < 0.83) return `| line_format ${this.text(makeTemplate(random))}`
    if (share < 0.91) return `| label_format ${this.#assignments()}`
    if (share < 0.93) return '| decolorize'
    return `| ${random.pick(['drop', 'keep'])} ${this.#list(() => (random.chance(0.7) ? this.name() : this.matcher()))}`
  }

  #parser(): string {
    const random = this.#random
    const extraction = (paths: readonly string[]): string =>
      random.chance(0.3) ? this.target() : `${this.target()}=${this.text(random.pick(paths))}`
    return random.pick([
      () => '| json',
      () => '| json',
      () => `| json ${this.#list(() => extraction(PATHS))}`,
      () => '| logfmt',
      () => `| logfmt${this.#flags()}`,
      () => `| logfmt${this.#flags()} ${this.#list(() => extraction(LOGFMT_KEYS))}`,
      () => `| regexp ${this.text(random.pick(CAPTURES))}`,
      () => `| pattern ${this.text(random.pick(PATTERNS))}`,
      () => '| unpack',
    ])()
  }

  #flags(): string {
    return this.#random.pick(['', ' --strict', ' --keep-empty', ' --strict --keep-empty'])
  }

  #lineFilter(): string {
    const random = this.#random
    const chain = (make: () => string): string => [make(), ...(random.chance(0.2) ? [make()] : [])].join(' or ')
    return random.pick([
      () =>
        `${random.pick(['|=', '!='])} ${random.chance(0.05) ? this.text('') : chain(() => this.text(this.value()))}`,
      () => `${random.pick(['|=', '!='])} ${chain(() => this.text(this.value()))}`,
      () => `${random.pick(['|~', '!~'])} ${chain(() => this.text(random.pick(REGEXPS)))}`,
      () => `${random.pick(['|>', '!>'])} ${chain(() => this.text(random.pick(SHAPES)))}`,
      () =>
        `${random.pick(['|=', '!='])} ip("${random.pick(random.chance(0.7) ? IP_PATTERNS : ADDRESSES.slice(0, 5))}")`,
    ])()
  }

  /** A label filter, at most three levels deep. */
  filter(depth: number): string {
    const random = this.#random
    if (depth < 2 && random.chance(0.2)) {
      const both = `${this.filter(depth + 1)}${random.pick([' and ', ' or ', ', ', ' '])}${this.filter(depth + 1)}`
      return random.chance(0.5) ? `(${both})` : both
    }
    if (random.chance(0.4)) return this.matcher()
    if (random.chance(0.1)) return `${this.name()}${random.pick(['=', '!='])}ip("${random.pick(IP_PATTERNS)}")`
    if (random.chance(0.1)) return `__error__${random.pick(['=', '!='])}${random.pick(['""', '"JSONParserErr"'])}`
    const operator = random.pick(['==', '!=', '>', '>=', '<', '<=', '='])
    return `${this.name()} ${operator} ${random.pick([NUMBERS, NUMBERS, DURATIONS, ['10KB', '1MiB', '512B', '1.5MB', '2KiB']].map((list) => random.pick(list)))}`
  }

  #assignments(): string {
    const random = this.#random
    const targets = new Set(this.#times(3, () => this.target()))
    if (targets.size === 0) targets.add('v')
    return [...targets]
      .map((name) => `${name}=${random.chance(0.4) ? this.target() : this.text(makeTemplate(random))}`)
      .join(', ')
  }

  #list(make: () => string): string {
    return [make(), ...this.#times(2, make)].join(', ')
  }

  #times<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.#random.integer(most + 1) }, make)
  }
}
