/** The file of single tenants' limits: JSON to limits by tenant. */

import { GatewayError } from '../domain/errors.ts'
import { ageWithinRetention, type Limits } from '../domain/limits.ts'
import { isTenant } from '../domain/tenant.ts'
import { nearestName } from '../kit/nearest-name.ts'
import type { Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

/** Faults that are told; a file may be generated, and wrong in every line. */
const FAULTS_MAX = 50

/** These protect the memory of the process, before it is known whose push it is. */
const OF_THE_PROCESS: readonly string[] = ['bodyBytesMax', 'decompressedBytesMax', 'labelTextBytesMax']

interface LimitSetting {
  readonly group: 'push' | 'query'
  readonly field: string
  readonly setting: Setting<unknown>
}

const LIMIT_SETTINGS = listLimitSettings()

/**
 * Reads `{"tenant": {"lineBytesMax": "64KiB", "tenantRate": "4MiB:6MiB", …}, …}`. A key is the name of the limit's
 * variable in camel case (MILLRACE_QUERY_ENTRIES_MAX is queryEntriesMax), its value what the variable may hold, as text,
 * number, boolean or list of texts. What a tenant does not name is as in `base`. No
 * tenant's lines may be older than `retentionMs`.
 *
 * Throws one config_invalid that tells all faults; they show what came.
 */
export function parseTenantLimits(text: string, base: Limits, retentionMs?: number): ReadonlyMap<string, Limits> {
  const reader = new LimitsReader(base, retentionMs)
  const limits = reader.read(text)
  if (reader.faults.length === 0) return limits
  const told = reader.faults.slice(0, FAULTS_MAX)
  if (told.length < reader.faults.length) told.push(`… and ${reader.faults.length - told.length} more`)
  throw new GatewayError(
    'config_invalid',
    `the limits of tenants are wrong:\n${told.map((fault) => `  ${fault}`).join('\n')}`,
  )
}

class LimitsReader {
  readonly faults: string[] = []
  readonly #base: Limits
  readonly #retentionMs: number | undefined

  constructor(base: Limits, retentionMs: number | undefined) {
    this.#base = base
    this.#retentionMs = retentionMs
  }

  read(text: string): ReadonlyMap<string, Limits> {
    const limits = new Map<string, Limits>()
    for (const [tenant, given] of Object.entries(this.#parse(text))) {
      if (!isTenant(tenant)) this.faults.push(`${quote(tenant)}: no tenant can have this name`)
      else if (!isObject(given)) this.faults.push(`${tenant}: got ${quote(given)}; wanted an object of limits`)
      else limits.set(tenant, this.#readTenant(tenant, given))
    }
    return limits
  }

  #parse(text: string): object {
    try {
      const value: unknown = JSON.parse(text)
      if (isObject(value)) return value
      this.faults.push('the file holds no object; wanted {"tenant": {"lineBytesMax": "64KiB"}}')
    } catch (cause) {
      this.faults.push(`the file is no JSON: ${(cause as SyntaxError).message}`)
    }
    return {}
  }

  #readTenant(tenant: string, given: object): Limits {
    const values = { push: new Map<string, unknown>(), query: new Map<string, unknown>() }
    for (const [name, value] of Object.entries(given)) {
      const known = LIMIT_SETTINGS.get(name)
      if (known === undefined) this.faults.push(`${tenant}.${quote(name)}: ${explainUnknown(name)}`)
      else this.#readValue(`${tenant}.${name}`, value, known, values[known.group])
    }
    const { push, query } = this.#base
    const limits: Limits = {
      push: ageWithinRetention({ ...push, ...Object.fromEntries(values.push) }, this.#retentionMs),
      query: { ...query, ...Object.fromEntries(values.query) },
    }
    if (limits.query.timeoutMs > query.timeoutMs) {
      // What a read may still need is kept for as long as the longest of all queries.
      const { variable, kind } = SETTINGS.query.timeoutMs
      this.faults.push(
        `${tenant}.queryTimeout: longer than ${variable}, ${kind.format(query.timeoutMs)}; raise that too`,
      )
    }
    return limits
  }

  #readValue(path: string, value: unknown, { field, setting }: LimitSetting, values: Map<string, unknown>): void {
    const text = textOf(value)
    const parsed = text === undefined ? { fault: setting.kind.wanted } : setting.kind.parse(text)
    if ('value' in parsed) values.set(field, parsed.value)
    else this.faults.push(`${path}: got ${quote(value)}; wanted ${parsed.fault}`)
  }
}

function listLimitSettings(): ReadonlyMap<string, LimitSetting> {
  const groups = { push: SETTINGS.push.limits, query: SETTINGS.query }
  return new Map(
    (['push', 'query'] as const).flatMap((group) =>
      Object.entries(groups[group])
        .filter(([field]) => !OF_THE_PROCESS.includes(field))
        .map(([field, setting]) => [nameOf(setting.variable), { group, field, setting }] as const),
    ),
  )
}

/** MILLRACE_LINE_BYTES_MAX to lineBytesMax. */
function nameOf(variable: string): string {
  const [, first = '', ...rest] = variable.toLowerCase().split('_')
  return first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function explainUnknown(name: string): string {
  if (OF_THE_PROCESS.includes(name)) return 'this limit is the same for all tenants; set its variable'
  const nearest = nearestName(name, [...LIMIT_SETTINGS.keys()])
  return nearest === undefined
    ? 'no limit has this name; remove it'
    : `no limit has this name; did you mean ${nearest}?`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value.join(',') : undefined
}

/** What came, short enough for one line. */
function quote(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
