/** Bearer tokens before anybody has checked their signature: cheap looks that cost no key and no network. */

import { GatewayError } from '../../../domain/errors.ts'
import { isTenant } from '../../../domain/tenant.ts'

/** A JSON Web Token (RFC 7519) taken apart. Nothing in it is proven. */
export interface UnverifiedToken {
  readonly text: string
  readonly algorithm: string
  /** The key id, or undefined. */
  readonly keyId: string | undefined
  readonly claims: Claims
}

/** Claims by name; JSON.parse keeps even `__proto__` apart. */
export type Claims = ReadonlyMap<string, unknown>

/** Cognito's tokens have about 1 KB; a header may have 16 KB in all. */
const TOKEN_CHARS_MAX = 8192
const SHAPE = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

/** Takes a token apart. Throws credentials_invalid when it is none. */
export function readToken(text: string): UnverifiedToken {
  if (text.length > TOKEN_CHARS_MAX || !SHAPE.test(text)) {
    throw refuse('the token is not a JSON Web Token; wanted three parts of base64url between dots')
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

/** Throws credentials_invalid for a token that has no `exp` or is past it. */
export function assertUnexpired(claims: Claims, nowMs: number): void {
  const expires = claims.get('exp')
  if (typeof expires !== 'number' || !Number.isFinite(expires)) throw refuse('the token has no `exp`; get one that has')
  if (expires * 1000 <= nowMs) throw refuse('the token has expired; get a new one')
}

/** The tenant in a claim; throws tenant_forbidden where it is not the id of one, for an unbound token may read all. */
export function tenantClaim(claims: Claims, name: string): string {
  const tenant = textClaim(claims, name)
  if (tenant !== undefined && isTenant(tenant)) return tenant
  throw new GatewayError('tenant_forbidden', `the token's claim "${name}" names no tenant; get a token that does`)
}

export function refuse(message: string, options?: ErrorOptions): GatewayError {
  return new GatewayError('credentials_invalid', message, options)
}

function readPart(part: string): Claims {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    throw refuse('the token is not a JSON Web Token: a part of it is not JSON') // the cause would repeat the token
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw refuse('the token is not a JSON Web Token: a part of it is not an object')
  }
  return new Map(Object.entries(parsed))
}
