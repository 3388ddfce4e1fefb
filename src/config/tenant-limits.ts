/** Parses the file of per-tenant limits: JSON to limits by tenant. */

import { GatewayError } from '../domain/errors.ts'
import { ageWithinRetention, type Limits } from '../domain/limits.ts'
import { isTenant } from '../domain/tenant.ts'
import { nearestName } from '../kit/nearest-name.ts'
import type { Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

/** Faults listed in the error; a generated file may be wrong in every line. */
const FAULTS_MAX = 50

/** Limits that protect the memory of the process before the tenant of a push is known. */
const PROCESS_LIMITS: readonly string[] = ['bodyBytesMax', 'decompressedBytesMax', 'labelTextBytesMax']

interface LimitSetting {
  readonly group: 'push' | 'query'
  readonly field: string
  readonly setting: Setting<unknown>
}

const LIMIT_SETTINGS = listLimitSettings()

/**
 * Reads `{"tenant": {"lineBytesMax": "64KiB", "tenantRate": "4MiB:6MiB", …}, …}`. A key is the name of the limit's
 * variable in camel case (MILLRACE_QUERY_ENTRIES_MAX is queryEntriesMax). Its value is a value of the variable, as text,
 * number, boolean or list of texts. A limit that a tenant does not set is as in `base`. The age limit of a tenant is at
 * most `retentionMs`.
 *
 * Throws one config_invalid that lists all faults and the invalid values.
 */
export function parseTenantLimits(text: string, base: Limits, retentionMs?: number): ReadonlyMap<string, Limits> {
  const reader = new LimitsReader(base, retentionMs)
  const limits = reader.read(text)
  if (reader.faults.length === 0) return limits
  const listed = reader.faults.slice(0, FAULTS_MAX)
  if (listed.length < reader.faults.length) listed.push(`… and ${reader.faults.length - listed.length} more`)
  throw new GatewayError(
    'config_invalid',
    `the tenant limits are invalid:\n${listed.map((fault) => `  ${fault}`).join('\n')}`,
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
    for (const [tenant, value] of Object.entries(this.#parse(text))) {
      if (!isTenant(tenant)) this.faults.push(`${quote(tenant)}: not a valid tenant id`)
      else if (!isObject(value)) this.faults.push(`${tenant}: got ${quote(value)}; expected an object of limits`)
      else limits.set(tenant, this.#readTenant(tenant, value))
    }
    return limits
  }

  #parse(text: string): object {
    try {
      const value: unknown = JSON.parse(text)
      if (isObject(value)) return value
      this.faults.push('the file is not a JSON object; expected {"tenant": {"lineBytesMax": "64KiB"}}')
    } catch (cause) {
      this.faults.push(`the file is not valid JSON: ${(cause as SyntaxError).message}`)
    }
    return {}
  }

  #readTenant(tenant: string, entries: object): Limits {
    const values = { push: new Map<string, unknown>(), query: new Map<string, unknown>() }
    for (const [name, value] of Object.entries(entries)) {
      const limit = LIMIT_SETTINGS.get(name)
      if (limit === undefined) this.faults.push(`${tenant}.${quote(name)}: ${explainUnknown(name)}`)
      else this.#readValue(`${tenant}.${name}`, value, limit, values[limit.group])
    }
    const { push, query } = this.#base
    const limits: Limits = {
      push: ageWithinRetention({ ...push, ...Object.fromEntries(values.push) }, this.#retentionMs),
      query: { ...query, ...Object.fromEntries(values.query) },
    }
    if (limits.query.timeoutMs > query.timeoutMs) {
      // Joined blocks are kept for a multiple of the global query timeout.
      const { variable, kind } = SETTINGS.query.timeoutMs
      this.faults.push(
        `${tenant}.queryTimeout: longer than ${variable}, ${kind.format(query.timeoutMs)}; raise that too`,
      )
    }
    if (limits.query.queryBytesMax > query.queryBytesMax) {
      // The maximum size of request line and headers follows from the longest query of all tenants.
      const { variable, kind } = SETTINGS.query.queryBytesMax
      this.faults.push(
        `${tenant}.queryBytesMax: larger than ${variable}, ${kind.format(query.queryBytesMax)}; raise that too`,
      )
    }
    return limits
  }

  #readValue(path: string, value: unknown, { field, setting }: LimitSetting, values: Map<string, unknown>): void {
    const text = textOf(value)
    const parsed = text === undefined ? { fault: setting.kind.expected } : setting.kind.parse(text)
    if ('value' in parsed) values.set(field, parsed.value)
    else this.faults.push(`${path}: got ${quote(value)}; expected ${parsed.fault}`)
  }
}

function listLimitSettings(): ReadonlyMap<string, LimitSetting> {
  const groups = { push: SETTINGS.push.limits, query: SETTINGS.query }
  return new Map(
    (['push', 'query'] as const).flatMap((group) =>
      Object.entries(groups[group])
        .filter(([field]) => !PROCESS_LIMITS.includes(field))
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
  if (PROCESS_LIMITS.includes(name)) return 'this limit applies to all tenants; set its variable'
  const nearest = nearestName(name, [...LIMIT_SETTINGS.keys()])
  return nearest === undefined ? 'unknown limit; remove it' : `unknown limit; did you mean ${nearest}?`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value.join(',') : undefined
}

/** The value as JSON, shortened to fit one line. */
function quote(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
