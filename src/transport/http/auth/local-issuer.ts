/** The gateway's own token issuer: Ed25519 with a key from the data folder. */

import { createPrivateKey, createPublicKey } from 'node:crypto'
import { createSigner, createVerifier } from 'fast-jwt'
import type { Clock } from '../../../ports/log-store.ts'
import type { Principal } from './principal.ts'
import { assertUnexpired, type Claims, refuse, tenantClaim, textClaim, type UnverifiedToken } from './token.ts'

/** The `iss` of its tokens. */
export const LOCAL_ISSUER = 'millrace'
const ALGORITHM = 'EdDSA'
/** The PKCS #8 prefix of the 32 bytes of a private Ed25519 key (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

export interface TokenOrder {
  readonly subject: string
  /** The only tenant that the bearer may use; undefined: any. */
  readonly tenant: string | undefined
  readonly lifetimeMs: number
}

export class LocalIssuer {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #sign: (payload: object) => string
  readonly #verify: (token: string) => object

  /** `seed`: 32 random bytes, the private key. */
  constructor(seed: Uint8Array, clock: Pick<Clock, 'nowMs'>) {
    const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
    const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
    const privateKey = key.export({ type: 'pkcs8', format: 'pem' }).toString()
    this.#clock = clock
    this.#sign = createSigner({ algorithm: ALGORITHM, key: privateKey })
    this.#verify = createVerifier({
      algorithms: [ALGORITHM],
      key: publicKey,
      allowedIss: LOCAL_ISSUER,
      requiredClaims: ['iss', 'sub', 'exp'],
      // assertUnexpired uses our clock; this option would use the system clock.
      ignoreExpiration: true,
    })
  }

  /** Returns a token for `Authorization: Bearer`. */
  sign({ subject, tenant, lifetimeMs }: TokenOrder): string {
    const issued = Math.floor(this.#clock.nowMs() / 1000)
    const expires = issued + Math.ceil(lifetimeMs / 1000)
    return this.#sign({ iss: LOCAL_ISSUER, sub: subject, ...(tenant && { tenant }), iat: issued, exp: expires })
  }

  /** The bearer of the token. Throws credentials_invalid. */
  verify(token: UnverifiedToken): Principal {
    if (token.algorithm !== ALGORITHM) throw refuse(`the token must be signed with ${ALGORITHM}`)
    assertUnexpired(token.claims, this.#clock.nowMs())
    const claims = this.#verifySignature(token.text)
    const name = textClaim(claims, 'sub')
    if (name === undefined) throw refuse('the token has no `sub` claim')
    const tenant = claims.has('tenant') ? tenantClaim(claims, 'tenant') : undefined
    return { name, tenant, kind: 'token' }
  }

  #verifySignature(text: string): Claims {
    try {
      return new Map(Object.entries(this.#verify(text)))
    } catch (cause) {
      throw refuse('the token was not signed by this gateway; create a new one with `millrace token`', { cause })
    }
  }
}
