/** MILLRACE_USERS: the users of basic authentication. */

import { isHashed, parsePasswordHash } from '../domain/password-hash.ts'
import { isTenant } from '../domain/tenant.ts'
import { type Kind, type Parsed, splitList } from './kinds.ts'

export interface User {
  readonly name: string
  /** Plain, or `scrypt:N:r:p:salt:hash`. */
  readonly password: string
  /** The only tenant that the user may use; undefined: any. */
  readonly tenant: string | undefined
}

/** The current users. */
export interface UserSource {
  /** Returns a new array whenever the users changed, so that caches can compare arrays. Called for every password. */
  users(): readonly User[]
  /** Looks the users up again; called after a rejected password. Limits its own rate, and never rejects. */
  refresh?(): Promise<void>
}

const WANTED =
  'comma-separated name:password pairs, or JSON: [{"name":"...","password":"...","tenant":"..."}] or {"username":"...","password":"..."}'
const USERS_MAX = 1000
// RFC 7617 allows no control characters in either part, and no colon in the name.
const CONTROL = /\p{Cc}/u

/** Users; a fault gives the position of the wrong entry and never its text. */
export function users(): Kind<readonly User[]> {
  return { expected: WANTED, parse: parseUsers, format: () => '', isSecret: true }
}

function parseUsers(text: string): Parsed<readonly User[]> {
  const entries = /^\s*[[{]/.test(text) ? readJson(text) : splitList(text).map(readPair)
  if (entries === undefined) return { fault: WANTED }
  if (entries.length > USERS_MAX) return { fault: `at most ${USERS_MAX} users` }
  const names = new Set<string>()
  for (const [index, user] of entries.entries()) {
    const fault = faultOf(user) ?? (names.has(user?.name ?? '') ? 'a unique name' : undefined)
    if (fault !== undefined || user === undefined) return { fault: `in entry ${index + 1} ${fault}` }
    names.add(user.name)
  }
  return { value: entries as User[] }
}

function readPair(pair: string): User | undefined {
  const colon = pair.indexOf(':')
  return colon < 0 ? undefined : { name: pair.slice(0, colon), password: pair.slice(colon + 1), tenant: undefined }
}

function readJson(text: string): (User | undefined)[] | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined // the message of the JSON parser may quote a password
  }
  return Array.isArray(parsed) ? parsed.map(readEntry) : [readSecret(parsed)]
}

/** One user in Secrets Manager's own format for credentials: username and password. */
function readSecret(secret: unknown): User | undefined {
  if (typeof secret !== 'object' || secret === null || !('username' in secret)) return readEntry(secret)
  const { username, ...rest } = secret
  return 'name' in rest ? undefined : readEntry({ ...rest, name: username })
}

function readEntry(entry: unknown): User | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  const { name, password, tenant } = entry as Record<string, unknown>
  const hasOnlyTheseFields = Object.keys(entry).every((key) => ['name', 'password', 'tenant'].includes(key))
  if (!hasOnlyTheseFields || typeof name !== 'string' || typeof password !== 'string') return undefined
  return tenant === undefined || typeof tenant === 'string' ? { name, password, tenant } : undefined
}

function faultOf(user: User | undefined): string | undefined {
  if (user === undefined)
    return `${WANTED.replace('comma-separated name:password pairs', 'name:password')} with no other fields`
  const { name, password, tenant } = user
  if (name === '' || name.includes(':') || CONTROL.test(name)) return 'a name without colons and control characters'
  if (password === '' || CONTROL.test(password)) return 'a password without control characters'
  if (isHashed(password) && parsePasswordHash(password) === undefined) {
    return 'a hash as `millrace hash-password` prints it (scrypt:N:r:p:salt:hash)'
  }
  if (tenant !== undefined && !isTenant(tenant)) return "a tenant id of letters, digits and !-_.*'()"
  return undefined
}
