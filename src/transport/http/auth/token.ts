/** Bearer tokens before signature verification: cheap checks without a key or network access. */

import { GatewayError } from '../../../domain/errors.ts'
import { isTenant } from '../../../domain/tenant.ts'

/** A parsed JSON Web Token (RFC 7519) whose contents are not verified. */
export interface UnverifiedToken {
  readonly text: string
  readonly algorithm: string
  /** The key id, or undefined. */
  readonly keyId: string | undefined
  readonly claims: Claims
}

/** Claims by name; a map, so that names like `__proto__` are safe. */
export type Claims = ReadonlyMap<string, unknown>

/** Cognito's tokens are about 1 KB; all headers together may be 16 KB. */
const TOKEN_CHARS_MAX = 8192
const SHAPE = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

/** Parses a token. Throws credentials_invalid if it is malformed. */
export function readToken(text: string): UnverifiedToken {
  if (text.length > TOKEN_CHARS_MAX || !SHAPE.test(text)) {
    throw refuse('the token is not a JSON Web Token; expected three base64url parts separated by dots')
  }
  const [header = '', payload = ''] = text.split('.')
  const headerFields = readPart(header)
  const algorithm = headerFields.get('alg')
  const keyId = headerFields.get('kid')
  if (typeof algorithm !== 'string') throw refuse('the token names no algorithm')
  return { text, algorithm, keyId: typeof keyId === 'string' ? keyId : undefined, claims: readPart(payload) }
}

/** A claim that is text, or undefined. */
export function textClaim(claims: Claims, name: string): string | undefined {
  const value = claims.get(name)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Throws credentials_invalid if the token has no `exp` or has expired. */
export function assertUnexpired(claims: Claims, nowMs: number): void {
  const expires = claims.get('exp')
  if (typeof expires !== 'number' || !Number.isFinite(expires)) throw refuse('the token has no `exp` claim')
  if (expires * 1000 <= nowMs) throw refuse('the token has expired; get a new one')
}

/** The tenant in a claim. Throws tenant_forbidden if it is missing or invalid, as an unbound token could read all tenants. */
export function tenantClaim(claims: Claims, name: string): string {
  const tenant = textClaim(claims, name)
  if (tenant !== undefined && isTenant(tenant)) return tenant
  throw new GatewayError('tenant_forbidden', `the token's claim "${name}" is not a valid tenant`)
}

export function refuse(message: string, options?: ErrorOptions): GatewayError {
  return new GatewayError('credentials_invalid', message, options)
}

function readPart(part: string): Claims {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    throw refuse('the token is not a JSON Web Token: a part of it is not JSON') // the cause would contain the token
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw refuse('the token is not a JSON Web Token: a part of it is not an object')
  }
  return new Map(Object.entries(parsed))
}
