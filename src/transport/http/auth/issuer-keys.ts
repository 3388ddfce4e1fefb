/** The public keys of an issuer of tokens: fetched rarely, whatever tokens ask for. */

import { createPublicKey } from 'node:crypto'
import { GatewayError } from '../../../domain/errors.ts'
import type { Clock } from '../../../ports/log-store.ts'

/** How soon an unknown key id may cause another fetch: so long a key that was rotated in may be refused. */
const REFRESH_MS = 30_000
/** The same after a fetch that failed: without keys nobody gets in. */
const RETRY_MS = 5_000
/** After this long keys are fetched again though they are known: one may have been taken back. */
const STALE_MS = 3600_000
/** After this long known keys are no longer believed while the issuer cannot be reached. */
const EXPIRED_MS = 24 * 3600_000
const FETCH_TIMEOUT_MS = 3_000
const BODY_BYTES_MAX = 256 * 1024
const KEYS_MAX = 100
const KEY_ID_CHARS_MAX = 256
const MODULUS_BITS_MIN = 2048

/** An RSA signing key as RFC 7517 writes it, without what nobody needs. */
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
  /** Told when the keys could not be fetched. */
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
   * A `data:` URL of the key set that holds the key, or undefined when the issuer has no such key. However many key
   * ids are asked for, at most one fetch runs, and none within 30 s of the last (5 s when that failed).
   *
   * Throws issuer_unavailable when the issuer cannot be asked: the token may be good.
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
      'the keys of the issuer of tokens (MILLRACE_JWKS_URL) cannot be fetched now; retry later',
      { cause: this.#failure },
    )
  }

  #knows(keyId: string): boolean {
    return this.#snapshot?.keyIds.has(keyId) === true
  }

  /** Joins the fetch that runs, or begins one if it is time; never rejects. */
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
    throw new Error(`the issuer answered ${response.status}`)
  }
  const parsed: unknown = JSON.parse(await readBounded(response))
  const listed = typeof parsed === 'object' && parsed !== null && 'keys' in parsed ? parsed.keys : undefined
  if (!Array.isArray(listed)) throw new Error('the issuer answered something else than a key set')
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

/** The key, or undefined for one that is no RSA key for signatures, too weak or broken. */
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
    return undefined // one broken key must not take the others away
  }
  return { kty, use, alg, kid, n, e }
}
