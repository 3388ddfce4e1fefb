/** The one reader of the environment. */

import { GatewayError } from '../domain/errors.ts'
import { ageWithinRetention } from '../domain/limits.ts'
import { nearestName } from '../kit/nearest-name.ts'
import { referenceIn } from './references.ts'
import type { Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

type ValuesOf<S> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : ValuesOf<S[K]> }

/** All settings by subject, as SETTINGS has them. Hand down the part that is needed, not the whole. */
export type Config = ValuesOf<typeof SETTINGS>

export type AuthConfig = Config['auth']

/**
 * Reads the `MILLRACE_*` variables of `environment`. A variable that is absent or empty has its default.
 *
 * Throws one config_invalid that tells all faults: values that are not of their kind, settings that contradict each
 * other, variables that do not exist, references (see config/references.ts) that nobody resolved before. A secret's
 * value is never in it.
 */
export function readConfig(environment: Environment): Config {
  const env = withoutServiceLinks(environment)
  const faults: string[] = []
  const config = readGroup(env, SETTINGS, faults)
  faults.push(...findUnknown(env))
  // A default in place of a refused value would be blamed for a contradiction that nobody wrote.
  if (faults.length === 0) faults.push(...findContradictions(config))
  if (faults.length > 0) {
    const count = faults.length === 1 ? 'a setting is' : `${faults.length} settings are`
    throw new GatewayError('config_invalid', `${count} wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
  }
  const limits = ageWithinRetention(config.push.limits, config.store.retentionAgeMs)
  return { ...config, push: { ...config.push, limits } }
}

const SERVICE_LINK = /^MILLRACE_(SERVICE_(HOST|PORT)(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_.+)?)$/

/**
 * Kubernetes gives each container such variables for each service: one of the name `millrace` makes MILLRACE_PORT a
 * URL and brings names that are no settings. See "Accessing the Service" in its documentation.
 */
function withoutServiceLinks(env: Environment): Environment {
  const isLink = (name: string, value = '') =>
    SERVICE_LINK.test(name) || (name === 'MILLRACE_PORT' && /^(tcp|udp|sctp):\/\//.test(value))
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => !isLink(name, value)))
}

/** Every setting in the order of the documentation. */
export function listSettings(): readonly Setting<unknown>[] {
  return flatten(SETTINGS)
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
  // The type follows from the group, whose keys these are: fromEntries cannot say so.
  return Object.freeze(Object.fromEntries(values)) as ValuesOf<G>
}

function readSetting(env: Environment, setting: Setting<unknown>, faults: string[]): unknown {
  const { kind } = setting
  const given = env[setting.variable]?.trim()
  if (given === undefined || (given === '' && kind.takesEmpty !== true)) return setting.default
  // As a value it would be a password that anybody may guess, or a key that no other process has.
  if (referenceIn(given) !== undefined) {
    faults.push(`${setting.variable}: a reference to a parameter came where none is looked up; wanted ${kind.wanted}`)
    return setting.default
  }
  const parsed = kind.parse(given)
  if ('value' in parsed) return parsed.value
  const came = kind.isSecret === true ? 'the value (not shown) is not right' : `got ${quote(given)}`
  faults.push(`${setting.variable}: ${came}; wanted ${parsed.fault}`)
  return setting.default
}

/** What came, short enough for one line of a terminal. */
function quote(given: string): string {
  return JSON.stringify(given.length > 80 ? `${given.slice(0, 80)}…` : given)
}

function findUnknown(env: Environment): string[] {
  const known = listSettings().map((setting) => setting.variable)
  const unknown = Object.keys(env).filter((name) => name.startsWith('MILLRACE_') && !known.includes(name))
  return unknown.map((name) => {
    const nearest = nearestName(
      name.slice(9),
      known.map((variable) => variable.slice(9)),
    )
    const advice =
      nearest === undefined ? 'remove it, or look it up in the README' : `did you mean MILLRACE_${nearest}?`
    return `${name}: no setting has this name; ${advice}`
  })
}

function findContradictions({ auth, http, push }: Config): string[] {
  const faults: string[] = []
  if (auth.jwksUrl !== undefined) {
    if (auth.jwtIssuer === undefined) faults.push('MILLRACE_JWT_ISSUER: not given; MILLRACE_JWKS_URL needs it')
    if (auth.jwtClientIds.length === 0) faults.push('MILLRACE_JWT_CLIENT_IDS: not given; MILLRACE_JWKS_URL needs it')
  } else {
    const idle = [
      ['MILLRACE_JWT_ISSUER', auth.jwtIssuer !== undefined],
      ['MILLRACE_JWT_CLIENT_IDS', auth.jwtClientIds.length > 0],
      ['MILLRACE_JWT_TENANT_CLAIM', auth.jwtTenantClaim !== undefined],
    ] as const
    for (const [variable, isGiven] of idle) {
      if (isGiven) faults.push(`${variable}: has no effect without MILLRACE_JWKS_URL; give that too or remove it`)
    }
  }
  if (auth.jwtIssuer === 'millrace') {
    faults.push('MILLRACE_JWT_ISSUER: "millrace" is the name of the local issuer; wanted the name of another')
  }
  const bodyBytesMax = Math.max(push.limits.bodyBytesMax, push.limits.decompressedBytesMax)
  if (http.inflightBytesMax < bodyBytesMax) {
    faults.push(
      `MILLRACE_INFLIGHT_BYTES_MAX: ${http.inflightBytesMax} bytes cannot hold one body of ${bodyBytesMax}; raise it, or lower MILLRACE_BODY_BYTES_MAX and MILLRACE_DECOMPRESSED_BYTES_MAX`,
    )
  }
  return faults
}
