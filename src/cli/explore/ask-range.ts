/** What the commands that explore share: a selector, a time range, a gateway. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../../domain/errors.ts'
import { CLIENT_OPTIONS, type GatewayAddress, readAddress } from '../client.ts'
import type { Terminal } from '../commands.ts'
import { readCount } from '../query/query.ts'
import { readTimes, TIME_OPTIONS } from '../query/query-time.ts'

export interface RangeOrder {
  readonly gateway: GatewayAddress
  readonly selector: string
  /** ns; the end is exclusive. */
  readonly start: bigint
  readonly end: bigint
  readonly limit: number
  readonly isJson: boolean
}

/** Reads one selector and the options; without a selector it takes `initial`. Throws parameter_invalid. */
export function readRangeOrder(
  args: readonly string[],
  terminal: Terminal,
  nowMs: number,
  initial: string | undefined,
): RangeOrder {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...TIME_OPTIONS,
      ...CLIENT_OPTIONS,
      limit: { type: 'string', default: '100' },
      output: { type: 'string', short: 'o', default: 'text' },
    },
  })
  const [selector = initial, second] = positionals
  if (selector === undefined || second !== undefined) {
    const text = `got ${positionals.length} selectors; give one in quotes, like '{app="shop"}'`
    throw new GatewayError('parameter_invalid', text)
  }
  if (values.output !== 'text' && values.output !== 'json') {
    throw new GatewayError('parameter_invalid', '--output must be text or json')
  }
  return {
    gateway: readAddress(values, terminal.client),
    selector,
    ...readTimes(values, nowMs),
    limit: readCount('--limit', values.limit),
    isJson: values.output === 'json',
  }
}

/** `12.3 MB`, in powers of a thousand. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${step === 0 ? bytes : (bytes / 1000 ** step).toFixed(1)} ${units[step]}`
}
