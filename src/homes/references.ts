/** Reads the settings with references to AWS Systems Manager resolved, and refreshes the users if they are a reference. */

import { fetchParameters, type ParameterClient } from '../adapters/aws/parameters.ts'
import { type Config, type Environment, readConfig } from '../config/read-config.ts'
import { referenceIn, resolveReferences } from '../config/references.ts'
import { type UserSource, users } from '../config/users.ts'
import { GatewayError } from '../domain/errors.ts'
import { type Lazy, lazy } from '../kit/lazy.ts'
import type { Clock } from '../ports/log-store.ts'
import { RotatingUsers, type RotationEvents } from './rotating-users.ts'

export interface Settings {
  readonly config: Config
  /** The current users; undefined if they are not a reference and so never change. */
  openUsers(parts: UserParts): UserSource | undefined
}

export interface UserParts {
  readonly clock: Clock
  random(): number
  readonly events: RotationEvents
}

/** A function must start within ten seconds, and a lookup must not delay a request longer than this. */
const REQUEST_TIMEOUT_MS = 3000
const ATTEMPTS_MAX = 3

const USERS_VARIABLE = 'MILLRACE_USERS'

/**
 * Like readConfig, with references resolved. The SDK is loaded only if there are any; `client` is for tests. Throws
 * config_invalid, and source_unavailable if SSM does not respond.
 */
export async function loadSettings(env: Environment, client: Lazy<ParameterClient> = SSM): Promise<Settings> {
  const resolved = await resolveReferences(env, (names) => fetchParameters(client, names))
  const config = readConfig(resolved)
  const name = referenceIn(env[USERS_VARIABLE])
  const openUsers = (parts: UserParts): UserSource | undefined => {
    if (name === undefined) return undefined
    return new RotatingUsers({
      ...parts,
      text: resolved[USERS_VARIABLE] ?? '',
      initial: config.auth.users,
      fetch: () => fetchOne(client, name),
      parse: parseUsers,
      refreshMs: config.aws.usersRefreshMs,
    })
  }
  return { config, openUsers }
}

const SSM: Lazy<ParameterClient> = lazy(async () => {
  const { SSM: Client } = await import('@aws-sdk/client-ssm')
  return new Client({ maxAttempts: ATTEMPTS_MAX, requestHandler: { requestTimeout: REQUEST_TIMEOUT_MS } })
})

async function fetchOne(client: Lazy<ParameterClient>, name: string): Promise<string> {
  const value = (await fetchParameters(client, [name])).get(name)
  if (value !== undefined) return value
  throw new GatewayError('config_invalid', `${USERS_VARIABLE}: parameter ${JSON.stringify(name)} no longer exists`)
}

function parseUsers(text: string) {
  const parsed = users().parse(text.trim())
  if ('value' in parsed) return parsed.value
  throw new GatewayError(
    'config_invalid',
    `${USERS_VARIABLE}: the value (not shown) is invalid; expected ${parsed.fault}`,
  )
}
