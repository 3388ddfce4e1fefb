/** Reads the environment; nothing else does. */

import { CLIENT_VARIABLES } from '../domain/client-variables.ts'
import { GatewayError } from '../domain/errors.ts'
import { ageWithinRetention } from '../domain/limits.ts'
import { nearestName } from '../kit/nearest-name.ts'
import { referenceIn } from './references.ts'
import type { Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

type ValuesOf<S> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : ValuesOf<S[K]> }

/** The values of SETTINGS, grouped the same way. Pass on only the part that is needed. */
export type Config = ValuesOf<typeof SETTINGS>

export type AuthConfig = Config['auth']

/**
 * Reads the `MILLRACE_*` variables of `environment`. A variable that is unset or empty has its default.
 *
 * Throws one config_invalid that lists all faults: invalid values, settings that contradict each other, unknown
 * variables, unresolved references (see config/references.ts). It never contains the value of a secret.
 */
export function readConfig(environment: Environment): Config {
  const env = withoutServiceLinks(environment)
  const faults: string[] = []
  const config = readGroup(env, SETTINGS, faults)
  faults.push(...findUnknown(env))
  // An invalid value was replaced by its default, which could contradict another setting: a misleading second fault.
  if (faults.length === 0) faults.push(...findContradictions(config))
  if (faults.length > 0) {
    const count = faults.length === 1 ? 'a setting is' : `${faults.length} settings are`
    throw new GatewayError('config_invalid', `${count} invalid:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
  }
  const limits = ageWithinRetention(config.push.limits, config.store.retentionAgeMs)
  return { ...config, push: { ...config.push, limits } }
}

const SERVICE_LINK = /^MILLRACE_(SERVICE_(HOST|PORT)(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_.+)?)$/

/**
 * Kubernetes sets such variables in each container for each service. A service named `millrace` makes MILLRACE_PORT a
 * URL and adds variables that are not settings. See "Accessing the Service" in its documentation.
 */
function withoutServiceLinks(env: Environment): Environment {
  const isLink = (name: string, value = '') =>
    SERVICE_LINK.test(name) || (name === 'MILLRACE_PORT' && /^(tcp|udp|sctp):\/\//.test(value))
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => !isLink(name, value)))
}

/** All settings, in the order of the documentation. */
export function listSettings(): readonly Setting<unknown>[] {
  return flatten(SETTINGS)
}

/** The same, by group. */
export function listGroups(): readonly (readonly [
  name: keyof typeof SETTINGS,
  settings: readonly Setting<unknown>[],
])[] {
  const names = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[]
  return names.map((name) => [name, flatten(SETTINGS[name])])
}

function flatten(group: object): Setting<unknown>[] {
  return Object.values(group).flatMap((member) => (isSetting(member) ? [member] : flatten(member)))
}

function isSetting(member: object): member is Setting<unknown> {
  return 'variable' in member
}

function readGroup<G extends object>(env: Environment, group: G, faults: string[]): ValuesOf<G> {
  const values = Object.entries(group).map(([name, member]) => [
    name,
    isSetting(member) ? readSetting(env, member, faults) : readGroup(env, member, faults),
  ])
  // fromEntries loses the keys of the group.
  return Object.freeze(Object.fromEntries(values)) as ValuesOf<G>
}

function readSetting(env: Environment, setting: Setting<unknown>, faults: string[]): unknown {
  const { kind } = setting
  const text = env[setting.variable]?.trim()
  if (text === undefined || (text === '' && kind.takesEmpty !== true)) return setting.default
  // Used as a value, it would be a password that anyone can guess, or a wrong key.
  if (referenceIn(text) !== undefined) {
    faults.push(
      `${setting.variable}: got a reference to a parameter, but references are not resolved here; expected ${kind.expected}`,
    )
    return setting.default
  }
  const parsed = kind.parse(text)
  if ('value' in parsed) return parsed.value
  const came = kind.isSecret === true ? 'the value (not shown) is invalid' : `got ${quote(text)}`
  faults.push(`${setting.variable}: ${came}; expected ${parsed.fault}`)
  return setting.default
}

/** The value, shortened to fit one line of a terminal. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

function findUnknown(env: Environment): string[] {
  const variables = listSettings().map((setting) => setting.variable)
  const known: readonly string[] = [...variables, ...CLIENT_VARIABLES]
  const unknown = Object.keys(env).filter((name) => name.startsWith('MILLRACE_') && !known.includes(name))
  return unknown.map((name) => {
    const nearest = nearestName(
      name.slice(9),
      variables.map((variable) => variable.slice(9)),
    )
    const advice =
      nearest === undefined
        ? 'remove it, or see the list of settings in docs/settings.md'
        : `did you mean MILLRACE_${nearest}?`
    return `${name}: unknown setting; ${advice}`
  })
}

function findContradictions({ auth, http, push }: Config): string[] {
  const faults: string[] = []
  if (auth.jwksUrl !== undefined) {
    if (auth.jwtIssuer === undefined) faults.push('MILLRACE_JWT_ISSUER: not set; MILLRACE_JWKS_URL needs it')
    if (auth.jwtClientIds.length === 0) faults.push('MILLRACE_JWT_CLIENT_IDS: not set; MILLRACE_JWKS_URL needs it')
  } else {
    const idle = [
      ['MILLRACE_JWT_ISSUER', auth.jwtIssuer !== undefined],
      ['MILLRACE_JWT_CLIENT_IDS', auth.jwtClientIds.length > 0],
      ['MILLRACE_JWT_TENANT_CLAIM', auth.jwtTenantClaim !== undefined],
    ] as const
    for (const [variable, isSet] of idle) {
      if (isSet) faults.push(`${variable}: has no effect without MILLRACE_JWKS_URL; set that too or remove this`)
    }
  }
  if (auth.jwtIssuer === 'millrace') {
    faults.push('MILLRACE_JWT_ISSUER: "millrace" is the local issuer; expected another issuer')
  }
  const bodyBytesMax = Math.max(push.limits.bodyBytesMax, push.limits.decompressedBytesMax)
  if (http.inflightBytesMax < bodyBytesMax) {
    faults.push(
      `MILLRACE_INFLIGHT_BYTES_MAX: ${http.inflightBytesMax} bytes is less than one body of ${bodyBytesMax}; raise it, or lower MILLRACE_BODY_BYTES_MAX and MILLRACE_DECOMPRESSED_BYTES_MAX`,
    )
  }
  return faults
}
