/** The public keys of a token issuer, fetched at a limited rate whatever key ids tokens have. */

import { createPublicKey } from 'node:crypto'
import { GatewayError } from '../../../domain/errors.ts'
import type { Clock } from '../../../ports/log-store.ts'

/** Minimum time between fetches for unknown key ids; a newly rotated key may be rejected for this long. */
const REFRESH_MS = 30_000
/** The same after a failed fetch: without keys all tokens are rejected. */
const RETRY_MS = 5_000
/** Known keys are fetched again after this time, because one may have been revoked. */
const STALE_MS = 3600_000
/** Known keys expire after this time if the issuer cannot be reached. */
const EXPIRED_MS = 24 * 3600_000
const FETCH_TIMEOUT_MS = 3_000
const BODY_BYTES_MAX = 256 * 1024
const KEYS_MAX = 100
const KEY_ID_CHARS_MAX = 256
const MODULUS_BITS_MIN = 2048

/** An RSA signing key (RFC 7517), reduced to the required fields. */
interface Jwk {
  readonly kty: 'RSA'
  readonly use: 'sig'
  readonly alg: 'RS256'
  readonly kid: string
  readonly n: string
  readonly e: string
}

interface Snapshot {
  readonly keyIds: ReadonlySet<string>
  readonly url: string
  readonly fetchedMs: number
}

export interface IssuerKeysParts {
  readonly url: string
  readonly clock: Clock
  /** Called when fetching the keys failed. */
  onTrouble(error: Error): void
}

export class IssuerKeys {
  readonly #parts: IssuerKeysParts
  #snapshot: Snapshot | undefined
  #nextFetchMs = Number.NEGATIVE_INFINITY
  #failure: Error | undefined
  #fetching: Promise<void> | undefined

  constructor(parts: IssuerKeysParts) {
    this.#parts = parts
  }

  /**
   * Returns a `data:` URL of the key set that contains the key, or undefined if the issuer does not have the key. For any
   * number of key ids, at most one fetch runs at a time, and none within 30 s of the last (5 s if that failed).
   *
   * Throws issuer_unavailable if the keys cannot be fetched: the token may be valid.
   */
  async find(keyId: string): Promise<string | undefined> {
    const nowMs = this.#parts.clock.monotonicMs()
    const ageMs = nowMs - (this.#snapshot?.fetchedMs ?? Number.NEGATIVE_INFINITY)
    if (!this.#knows(keyId) || ageMs >= EXPIRED_MS) await this.#refresh(nowMs)
    else if (ageMs >= STALE_MS) void this.#refresh(nowMs)
    if (this.#snapshot !== undefined && this.#knows(keyId) && nowMs - this.#snapshot.fetchedMs < EXPIRED_MS) {
      return this.#snapshot.url
    }
    if (this.#failure === undefined) return undefined
    throw new GatewayError(
      'issuer_unavailable',
      'the keys of the token issuer (MILLRACE_JWKS_URL) cannot be fetched; retry later',
      { cause: this.#failure },
    )
  }

  #knows(keyId: string): boolean {
    return this.#snapshot?.keyIds.has(keyId) === true
  }

  /** Joins a running fetch, or starts one if it is due; never rejects. */
  #refresh(nowMs: number): Promise<void> {
    if (this.#fetching === undefined && nowMs >= this.#nextFetchMs) {
      this.#fetching = this.#fetch(nowMs).finally(() => {
        this.#fetching = undefined
      })
    }
    return this.#fetching ?? Promise.resolve()
  }

  async #fetch(nowMs: number): Promise<void> {
    this.#nextFetchMs = nowMs + REFRESH_MS
    try {
      const keys = await fetchKeys(this.#parts.url)
      const url = `data:application/json;base64,${Buffer.from(JSON.stringify({ keys })).toString('base64')}`
      this.#snapshot = { keyIds: new Set(keys.map(({ kid }) => kid)), url, fetchedMs: nowMs }
      this.#failure = undefined
    } catch (error) {
      this.#nextFetchMs = nowMs + RETRY_MS
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#parts.onTrouble(this.#failure)
    }
  }
}

async function fetchKeys(url: string): Promise<readonly Jwk[]> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    redirect: 'error',
    headers: { accept: 'application/json' },
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`the issuer responded with ${response.status}`)
  }
  const parsed: unknown = JSON.parse(await readBounded(response))
  const listed = typeof parsed === 'object' && parsed !== null && 'keys' in parsed ? parsed.keys : undefined
  if (!Array.isArray(listed)) throw new Error('the response of the issuer is not a key set')
  const keys = listed.slice(0, KEYS_MAX).map(readKey)
  const usable = keys.filter((key) => key !== undefined)
  if (usable.length === 0) throw new Error('the issuer has no RSA key of 2048 bits or more for signatures')
  return usable
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new Error(`the issuer's key set is larger than ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The key; undefined if it is not an RSA signing key, too weak or malformed. */
function readKey(entry: unknown): Jwk | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  const { kty, use = 'sig', alg = 'RS256', kid, n, e } = entry as Record<string, unknown>
  if (kty !== 'RSA' || use !== 'sig' || alg !== 'RS256') return undefined
  if (typeof kid !== 'string' || kid.length > KEY_ID_CHARS_MAX || typeof n !== 'string' || typeof e !== 'string') {
    return undefined
  }
  try {
    const { asymmetricKeyDetails } = createPublicKey({ key: { kty, n, e }, format: 'jwk' })
    if ((asymmetricKeyDetails?.modulusLength ?? 0) < MODULUS_BITS_MIN) return undefined
  } catch {
    return undefined // a malformed key must not invalidate the others
  }
  return { kty, use, alg, kid, n, e }
}
