/** Random metric queries over random log queries. */

import { LOG_RANGE_OPERATIONS, UNWRAPPED_RANGE_OPERATIONS } from '../../src/logql/parse/syntax.ts'
import type { Random } from '../support/random.ts'
import { LogQueryMaker } from './log-queries.ts'

const DEPTH_MAX = 3
const RANGES = ['1s', '10s', '30s', '1m', '90s', '2m', '5m', '10m', '1h', '1m30s', '500ms', '7s'] as const
const GROUPED = /^(avg|min|max|stddev|stdvar|quantile|first|last)_over_time$/
const COMMON = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate'] as const
const AGGREGATIONS = [
  'sum',
  'sum',
  'sum',
  'avg',
  'count',
  'min',
  'max',
  'stddev',
  'stdvar',
  'topk',
  'bottomk',
  'sort',
  'sort_desc',
] as const
const SCALARS = ['0', '1', '2', '0.5', '-1', '100', '1e3', '3', '-0.5', '0.1'] as const
const OPERATORS = ['+', '-', '*', '/', '%', '^', '==', '!=', '>', '>=', '<', '<=', 'and', 'or', 'unless'] as const

export class MetricQueryMaker {
  readonly #random: Random
  readonly #logs: LogQueryMaker

  constructor(random: Random) {
    this.#random = random
    this.#logs = new LogQueryMaker(random)
  }

  query(): string {
    return this.#metric(0)
  }

  #metric(depth: number): string {
    const random = this.#random
    const share = random.next()
    if (depth >= DEPTH_MAX || share < 0.35) return this.#leaf()
    if (share < 0.75) return this.#aggregation(depth)
    if (share < 0.82) return this.#labelReplace(depth)
    return this.#operation(depth)
  }

  #leaf(): string {
    const random = this.#random
    if (random.chance(0.03)) return `vector(${random.pick(SCALARS).replace('-', '')})`
    return random.chance(0.5) ? this.#logRange() : this.#unwrapped()
  }

  #logRange(): string {
    const random = this.#random
    const operation = random.pick(random.chance(0.6) ? COMMON : LOG_RANGE_OPERATIONS)
    return `${operation}(${this.#logs.selector()}${this.#logs.pipeline(3)}${this.#escape()} ${this.#range()})`
  }

  #unwrapped(): string {
    const random = this.#random
    const operation = random.pick(UNWRAPPED_RANGE_OPERATIONS)
    const parameter =
      operation === 'quantile_over_time' ? `${random.pick(['0', '0.1', '0.5', '0.9', '0.99', '1'])}, ` : ''
    const parser = random.pick([' | json', ' | logfmt', '', ' | json | logfmt', ' | regexp "(?P<v>[0-9.]+)"'])
    const label = random.pick(['v', 'n', 'status', 'size', 'took', 'took', 'w', this.#logs.name()])
    const conversion = random.pick(['', '', '', 'duration', 'duration_seconds', 'bytes'])
    const unwrap = conversion === '' ? label : `${conversion}(${label})`
    const behind = random.chance(0.75) ? ' | __error__=""' : random.chance(0.3) ? ` | ${this.#logs.filter(1)}` : ''
    const grouping = GROUPED.test(operation) ? this.#grouping() : ''
    const pipeline = `${parser}${random.chance(0.4) ? this.#logs.pipeline(2) : ''}`
    return `${operation}(${parameter}${this.#logs.selector()}${pipeline} | unwrap ${unwrap}${behind} ${this.#range()})${grouping}`
  }

  /** Metric queries fail for one entry with an error: most have what lets them pass. */
  #escape(): string {
    return this.#random.pick(['', ' | __error__=""', ' | drop __error__', ' | drop __error__, __error_details__'])
  }

  #range(): string {
    const random = this.#random
    const offset = random.chance(0.12) ? ` offset ${random.pick(['', '-'])}${random.pick(RANGES)}` : ''
    return `[${random.pick(RANGES)}]${offset}`
  }

  #grouping(): string {
    const random = this.#random
    const share = random.next()
    if (share < 0.4) return ''
    if (share < 0.48) return ` ${random.pick(['by', 'without'])} ()`
    return ` ${random.pick(['by', 'by', 'without'])} (${this.#logs.names(3)})`
  }

  #aggregation(depth: number): string {
    const random = this.#random
    const operation = random.pick(AGGREGATIONS)
    const inner = this.#metric(depth + 1)
    if (operation.startsWith('sort')) return `${operation}(${inner})`
    const parameter = operation.endsWith('k') ? `${random.pick(['1', '2', '3', '10'])}, ` : ''
    const grouping = this.#grouping()
    if (random.chance(0.5)) return `${operation}${grouping} (${parameter}${inner})`
    return `${operation}(${parameter}${inner})${grouping}`
  }

  #labelReplace(depth: number): string {
    const random = this.#random
    const replacement = random.pick(['$1', '$1-x', 'fixed', '', '$2', '$name'])
    const pattern = random.pick(['(.*)', '(.).*', '.*', 'a(.*)', '(\\d+)', '', '(?P<name>.+)'])
    const target = random.pick([this.#logs.name(), 'new', 'app'])
    return `label_replace(${this.#metric(depth + 1)}, "${target}", "${replacement}", "${this.#logs.name()}", ${JSON.stringify(pattern)})`
  }

  #operation(depth: number): string {
    const random = this.#random
    const operator = random.pick(OPERATORS)
    const isSet = operator === 'and' || operator === 'or' || operator === 'unless'
    const bool = /^[=!<>]/.test(operator) && random.chance(0.4) ? ' bool' : ''
    const left = this.#metric(depth + 1)
    if (!isSet && random.chance(0.4)) {
      const scalar = random.pick(SCALARS)
      return random.chance(0.5) ? `(${left}) ${operator}${bool} ${scalar}` : `${scalar} ${operator}${bool} (${left})`
    }
    // The same on both sides finds partners more often than two random ones.
    const right = random.chance(0.4) ? left : this.#metric(depth + 1)
    return `(${left}) ${operator}${bool}${this.#matching(isSet)} (${right})`
  }

  #matching(isSet: boolean): string {
    const random = this.#random
    if (random.chance(0.55)) return ''
    const names = random.chance(0.2) ? '' : this.#logs.names(2)
    const matching = ` ${random.pick(['on', 'ignoring'])} (${names})`
    if (isSet || random.chance(0.6)) return matching
    const include = random.pick([' ()', ` (${this.#logs.names(2)})`])
    return `${matching} ${random.pick(['group_left', 'group_right'])}${include}`
  }
}
