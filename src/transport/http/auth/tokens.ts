/** Bearer tokens of the issuers that are configured; the token's `iss` decides which one is asked. */

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
  /** Of auth.jwksUrl; needed with it. */
  readonly issuerKeys: IssuerKeys | undefined
}

/** Who bears the token. Throws credentials_invalid, tenant_forbidden or, when the issuer is down, store_unavailable. */
export type VerifyToken = (request: FastifyRequest, token: string) => Promise<Principal>

type Verify = (request: FastifyRequest, token: UnverifiedToken) => Promise<Principal>

declare module 'fastify' {
  interface FastifyInstance {
    issuerAuthenticate: Authenticate
    issuerJwtJwks: { jwksUrl: string }
  }
}

/** The check of all tokens, or undefined where none are taken. */
export async function registerTokens(app: FastifyInstance, parts: TokenParts): Promise<VerifyToken | undefined> {
  const { auth } = parts
  const issuers = new Map<string, Verify>()
  // Each is loaded only where it is configured: a function should start fast.
  if (auth.localIssuer) issuers.set(...(await openLocalIssuer(parts)))
  if (auth.jwksUrl !== undefined && auth.jwtIssuer !== undefined) {
    issuers.set(auth.jwtIssuer, await registerIssuer(app, parts, auth.jwksUrl))
  }
  if (issuers.size === 0) return undefined
  return async (request, text) => {
    const token = readToken(text)
    const verify = issuers.get(textClaim(token.claims, 'iss') ?? '')
    if (verify === undefined) throw refuse('the token is of an issuer whose tokens are not taken here; get another')
    return verify(request, token)
  }
}

async function openLocalIssuer({ localIssuerSeed, clock }: TokenParts): Promise<[issuer: string, verify: Verify]> {
  if (localIssuerSeed === undefined) throw new Error('BUG: the local issuer is on, but nobody handed in its seed')
  const { LOCAL_ISSUER, LocalIssuer } = await import('./local-issuer.ts')
  const issuer = new LocalIssuer(localIssuerSeed, clock)
  return [LOCAL_ISSUER, async (_request, token) => issuer.verify(token)]
}

/**
 * Tokens of a Cognito user pool, or of an issuer like it. fastify-jwt-jwks checks signature, issuer and expiry; it
 * would take any app client and any use of token, and fetch keys for every unknown key id, so both are asked before.
 */
async function registerIssuer(app: FastifyInstance, parts: TokenParts, jwksUrl: string): Promise<Verify> {
  const { auth, clock, issuerKeys: keys } = parts
  if (keys === undefined) throw new Error('BUG: an issuer is configured, but nobody handed in its keys')
  const options = { jwksUrl, issuer: auth.jwtIssuer as string, namespace: 'issuer', extractToken: bearerToken }
  // Its type does not know extractToken, which it hands through to @fastify/jwt.
  const { fastifyJwtJwks } = await import('fastify-jwt-jwks')
  await app.register(fastifyJwtJwks, options)
  return async (request, token) => {
    assertMeantForUs(token, auth)
    assertUnexpired(token.claims, clock.nowMs())
    const principal = principalOf(token, auth)
    const keySet = token.keyId === undefined ? undefined : await keys.find(token.keyId)
    if (keySet === undefined)
      throw refuse('the token is signed with a key that its issuer does not have; get a new one')
    // The plugin reads the keys that were fetched and looked through here, never the network: it caches what it finds
    // by URL, so that a key set that changed is read anew and a key that is not there is never remembered as missing.
    app.issuerJwtJwks.jwksUrl = keySet
    await verifySignature(app, request)
    return principal
  }
}

/** The cheap checks of what the token says about itself; the signature comes after them. */
function assertMeantForUs({ algorithm, claims }: UnverifiedToken, auth: AuthConfig): void {
  if (algorithm !== 'RS256') throw refuse('the token is not signed with RS256; get another')
  const use = textClaim(claims, 'token_use')
  if (!auth.jwtTokenUse.some((taken) => taken === use)) {
    throw refuse(`the token has another \`token_use\` than ${auth.jwtTokenUse.join(' or ')}; send one of those`)
  }
  const client = textClaim(claims, use === 'access' ? 'client_id' : 'aud')
  if (client === undefined || !auth.jwtClientIds.includes(client)) {
    throw refuse('the token was made for an app client whose tokens are not taken here; get one from another')
  }
}

function principalOf({ claims }: UnverifiedToken, auth: AuthConfig): Principal {
  const name = textClaim(claims, 'sub')
  if (name === undefined) throw refuse('the token has no `sub`; get one that has')
  const tenant = auth.jwtTenantClaim === undefined ? undefined : tenantClaim(claims, auth.jwtTenantClaim)
  return { name, tenant, kind: 'token' }
}

async function verifySignature(app: FastifyInstance, request: FastifyRequest): Promise<void> {
  try {
    await app.issuerAuthenticate(request)
  } catch (cause) {
    const { statusCode = 500 } = cause as { statusCode?: number }
    if (statusCode >= 500) throw cause // the plugin's own failure says nothing about the token
    throw refuse("the token's signature is wrong; get a new one", { cause })
  }
}

/** The token of `Authorization: Bearer <token>`, or of a header that is the token alone. */
export function bearerToken(request: FastifyRequest): string {
  return (request.headers.authorization ?? '').trim().replace(/^bearer[ \t]+/i, '')
}
