/** MILLRACE_USERS: the people and agents that come with a name and a password. */

import { isHashed, parsePasswordHash } from '../domain/password-hash.ts'
import { isTenant } from '../domain/tenant.ts'
import { type Kind, type Parsed, splitList } from './kinds.ts'

export interface User {
  readonly name: string
  /** Plain, or `scrypt:N:r:p:salt:hash`. */
  readonly password: string
  /** The only tenant the user may name; undefined: any. */
  readonly tenant: string | undefined
}

/** The users of now. Another array whenever they changed: who keeps something of them compares arrays. */
export interface UserSource {
  /** From memory: it is asked with every password. */
  users(): readonly User[]
  /** Looks whether they changed; asked when a password was refused. Bounds itself, and never rejects. */
  refresh?(): Promise<void>
}

const WANTED =
  'name:password pairs between commas, or JSON: [{"name":"...","password":"...","tenant":"..."}] or {"username":"...","password":"..."}'
const USERS_MAX = 1000
// RFC 7617 allows no control characters in either part, and no colon in the name.
const CONTROL = /\p{Cc}/u

/** Users; a fault names the place of the entry that is wrong and never its text. */
export function users(): Kind<readonly User[]> {
  return { wanted: WANTED, parse: parseUsers, format: () => '', isSecret: true }
}

function parseUsers(text: string): Parsed<readonly User[]> {
  const given = /^\s*[[{]/.test(text) ? readJson(text) : splitList(text).map(readPair)
  if (given === undefined) return { fault: WANTED }
  if (given.length > USERS_MAX) return { fault: `at most ${USERS_MAX} users` }
  const names = new Set<string>()
  for (const [index, user] of given.entries()) {
    const fault = faultOf(user) ?? (names.has(user?.name ?? '') ? 'a name that no other entry has' : undefined)
    if (fault !== undefined || user === undefined) return { fault: `in entry ${index + 1} ${fault}` }
    names.add(user.name)
  }
  return { value: given as User[] }
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
    return undefined // the parser's words may repeat a password
  }
  return Array.isArray(parsed) ? parsed.map(readEntry) : [readSecret(parsed)]
}

/** One user as Secrets Manager's own form for credentials has it: username and password. */
function readSecret(secret: unknown): User | undefined {
  if (typeof secret !== 'object' || secret === null || !('username' in secret)) return readEntry(secret)
  const { username, ...rest } = secret
  return 'name' in rest ? undefined : readEntry({ ...rest, name: username })
}

function readEntry(entry: unknown): User | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  const { name, password, tenant } = entry as Record<string, unknown>
  const hasOnlyKnown = Object.keys(entry).every((key) => ['name', 'password', 'tenant'].includes(key))
  if (!hasOnlyKnown || typeof name !== 'string' || typeof password !== 'string') return undefined
  return tenant === undefined || typeof tenant === 'string' ? { name, password, tenant } : undefined
}

function faultOf(user: User | undefined): string | undefined {
  if (user === undefined) return `${WANTED.replace(' pairs between commas', '')} with no other fields`
  const { name, password, tenant } = user
  if (name === '' || name.includes(':') || CONTROL.test(name)) return 'a name without colons and control characters'
  if (password === '' || CONTROL.test(password)) return 'a password without control characters'
  if (isHashed(password) && parsePasswordHash(password) === undefined) {
    return 'a hash as `millrace hash-password` prints it (scrypt:N:r:p:salt:hash)'
  }
  if (tenant !== undefined && !isTenant(tenant)) return "a tenant id of letters, digits and !-_.*'()"
  return undefined
}
