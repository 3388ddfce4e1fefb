/** Verifies bearer tokens of the configured issuers, selected by the token's `iss`. */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Authenticate } from 'fastify-jwt-jwks'
import type { AuthConfig } from '../../../config/read-config.ts'
import type { Clock } from '../../../ports/log-store.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import type { Principal } from './principal.ts'
import { assertUnexpired, readToken, refuse, tenantClaim, textClaim, type UnverifiedToken } from './token.ts'

export interface TokenParts {
  readonly auth: AuthConfig
  readonly clock: Clock
  readonly localIssuerSeed?: Uint8Array
  /** The keys at auth.jwksUrl; required with it. */
  readonly issuerKeys: IssuerKeys | undefined
}

/** Returns the bearer of the token. Throws credentials_invalid, tenant_forbidden or, if the issuer is down, issuer_unavailable. */
export type VerifyToken = (request: FastifyRequest, token: string) => Promise<Principal>

type Verify = (request: FastifyRequest, token: UnverifiedToken) => Promise<Principal>

declare module 'fastify' {
  interface FastifyInstance {
    issuerAuthenticate: Authenticate
    issuerJwtJwks: { jwksUrl: string }
  }
}

/** Returns the verifier of all tokens, or undefined if no issuer is configured. */
export async function registerTokens(app: FastifyInstance, parts: TokenParts): Promise<VerifyToken | undefined> {
  const { auth } = parts
  const issuers = new Map<string, Verify>()
  // Loaded only if configured, so that functions start fast.
  if (auth.localIssuer) issuers.set(...(await openLocalIssuer(parts)))
  if (auth.jwksUrl !== undefined && auth.jwtIssuer !== undefined) {
    issuers.set(auth.jwtIssuer, await registerIssuer(app, parts, auth.jwksUrl))
  }
  if (issuers.size === 0) return undefined
  return async (request, text) => {
    const token = readToken(text)
    const verify = issuers.get(textClaim(token.claims, 'iss') ?? '')
    if (verify === undefined)
      throw refuse('the issuer of the token is not accepted here; use a token of another issuer')
    return verify(request, token)
  }
}

async function openLocalIssuer({ localIssuerSeed, clock }: TokenParts): Promise<[issuer: string, verify: Verify]> {
  if (localIssuerSeed === undefined) throw new Error('BUG: the local issuer is on, but its seed is missing')
  const { LOCAL_ISSUER, LocalIssuer } = await import('./local-issuer.ts')
  const issuer = new LocalIssuer(localIssuerSeed, clock)
  return [LOCAL_ISSUER, async (_request, token) => issuer.verify(token)]
}

/**
 * Tokens of a Cognito user pool or a similar issuer. fastify-jwt-jwks checks signature, issuer and expiry. It would accept
 * any app client and token use, and fetch keys for every unknown key id, so these are checked first.
 */
async function registerIssuer(app: FastifyInstance, parts: TokenParts, jwksUrl: string): Promise<Verify> {
  const { auth, clock, issuerKeys: keys } = parts
  if (keys === undefined) throw new Error('BUG: an issuer is configured, but its keys are missing')
  const options = { jwksUrl, issuer: auth.jwtIssuer as string, namespace: 'issuer', extractToken: bearerToken }
  // Its type lacks extractToken, which it passes to @fastify/jwt.
  const { fastifyJwtJwks } = await import('fastify-jwt-jwks')
  await app.register(fastifyJwtJwks, options)
  return async (request, token) => {
    assertMeantForUs(token, auth)
    assertUnexpired(token.claims, clock.nowMs())
    const principal = principalOf(token, auth)
    const keySet = token.keyId === undefined ? undefined : await keys.find(token.keyId)
    if (keySet === undefined) throw refuse('the issuer does not have the key that signed the token; get a new token')
    // The plugin reads the key set from this data: URL and never from the network. It caches keys by URL, so a changed
    // key set is read again, and a missing key is never cached as missing.
    app.issuerJwtJwks.jwksUrl = keySet
    await verifySignature(app, request)
    return principal
  }
}

/** Cheap checks of the unverified claims; the signature is verified afterwards. */
function assertMeantForUs({ algorithm, claims }: UnverifiedToken, auth: AuthConfig): void {
  if (algorithm !== 'RS256') throw refuse('the token must be signed with RS256')
  const use = textClaim(claims, 'token_use')
  if (!auth.jwtTokenUse.some((accepted) => accepted === use)) {
    throw refuse(`the token's \`token_use\` must be ${auth.jwtTokenUse.join(' or ')}`)
  }
  const client = textClaim(claims, use === 'access' ? 'client_id' : 'aud')
  if (client === undefined || !auth.jwtClientIds.includes(client)) {
    throw refuse('tokens of this app client are not accepted here; use another app client')
  }
}

function principalOf({ claims }: UnverifiedToken, auth: AuthConfig): Principal {
  const name = textClaim(claims, 'sub')
  if (name === undefined) throw refuse('the token has no `sub` claim')
  const tenant = auth.jwtTenantClaim === undefined ? undefined : tenantClaim(claims, auth.jwtTenantClaim)
  return { name, tenant, kind: 'token' }
}

async function verifySignature(app: FastifyInstance, request: FastifyRequest): Promise<void> {
  try {
    await app.issuerAuthenticate(request)
  } catch (cause) {
    const { statusCode = 500 } = cause as { statusCode?: number }
    if (statusCode >= 500) throw cause // a failure of the plugin, not of the token
    throw refuse("the token's signature is wrong; get a new token", { cause })
  }
}

/** The token of `Authorization: Bearer <token>`, or of a header that contains only the token. */
export function bearerToken(request: FastifyRequest): string {
  return (request.headers.authorization ?? '').trim().replace(/^bearer[ \t]+/i, '')
}
