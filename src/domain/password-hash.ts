/** The text form of a hashed password: `scrypt:N:r:p:salt:hash`, salt and hash in base64. */

/** scrypt's cost (RFC 7914): `n` a power of two, memory 128 * n * r bytes. */
export interface ScryptCost {
  readonly n: number
  readonly r: number
  readonly p: number
}

export interface PasswordHash extends ScryptCost {
  /** Base64. */
  readonly salt: string
  /** Base64 of HASH_BYTES bytes. */
  readonly hash: string
}

/** 32 MiB and three rounds: one of the equally strong settings in OWASP's password storage cheat sheet. */
export const SCRYPT_COST: ScryptCost = { n: 2 ** 15, r: 8, p: 3 }
export const SALT_BYTES = 16
export const HASH_BYTES = 32
/** Maximum memory and time of a check, so that a setting cannot stop the gateway. */
const MEMORY_BYTES_MAX = 256 * 2 ** 20
const N_MIN = 2 ** 10
const P_MAX = 16

const FORM = /^scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3}):([A-Za-z0-9+/]{22,128}={0,2}):([A-Za-z0-9+/]{43}=)$/

/** True for text with the prefix of a hash, valid or not; such text is never a plain password. */
export function isHashed(password: string): boolean {
  return password.startsWith('scrypt:')
}

/** The parts of a hash; undefined if it is malformed or its cost is above the limits. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match = FORM.exec(text)
  if (match === null) return undefined
  const [, nText, rText, pText, salt = '', hash = ''] = match
  const [n, r, p] = [Number(nText), Number(rText), Number(pText)]
  const isPower = n >= N_MIN && Number.isInteger(Math.log2(n))
  if (!isPower || r < 1 || p < 1 || p > P_MAX || scryptMemory({ n, r, p }) > MEMORY_BYTES_MAX) return undefined
  return { n, r, p, salt, hash }
}

export function formatPasswordHash({ n, r, p, salt, hash }: PasswordHash): string {
  return `scrypt:${n}:${r}:${p}:${salt}:${hash}`
}

/** Memory of a computation, including all of scrypt's blocks. */
export function scryptMemory({ n, r, p }: ScryptCost): number {
  return 128 * r * (n + p + 2)
}
