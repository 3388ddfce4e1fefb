/** The opaque page token of GET /logs. */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../../domain/errors.ts'

/** The position of the last entry of the page. */
export interface PagePosition {
  /** Its time, ns since the epoch (signed 64 bits). */
  readonly ns: bigint
  /** How many entries with this time have been returned, including this one (unsigned 32 bits). */
  readonly skip: number
}

/** The filters of the request; a token is only valid for the same ones. */
export interface PageFilters {
  readonly tenant: string
  readonly severity?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly q?: string | undefined
}

const VERSION = 1
const POSITION_BYTES = 13
const MAC_BYTES = 32
/** 45 bytes are 60 characters without padding or spare bits, so a token has only one spelling. */
const TOKEN = /^[A-Za-z0-9_-]{60}$/

/**
 * Format: base64url of version (1 byte, 1), ns (8 bytes, big-endian), skip (4 bytes, big-endian) and the HMAC-SHA256 of
 * these and of the SHA-256 of the filters. It does not contain the filters. `key`: 32 random bytes.
 */
export function sealPageToken(key: Uint8Array, position: PagePosition, filters: PageFilters): string {
  const token = Buffer.alloc(POSITION_BYTES + MAC_BYTES)
  token.writeUInt8(VERSION, 0)
  token.writeBigInt64BE(position.ns, 1)
  token.writeUInt32BE(position.skip, 9)
  token.set(sign(key, token.subarray(0, POSITION_BYTES), filters), POSITION_BYTES)
  return token.toString('base64url')
}

/** Opens a token sealed with the same key for the same filters; throws page_token_invalid for any other text. */
export function openPageToken(key: Uint8Array, token: string, filters: PageFilters): PagePosition {
  if (!TOKEN.test(token)) throw invalid()
  const bytes = Buffer.from(token, 'base64url')
  const signed = bytes.subarray(0, POSITION_BYTES)
  if (!timingSafeEqual(sign(key, signed, filters), bytes.subarray(POSITION_BYTES))) throw invalid()
  if (bytes.readUInt8(0) !== VERSION) throw invalid()
  return { ns: bytes.readBigInt64BE(1), skip: bytes.readUInt32BE(9) }
}

function sign(key: Uint8Array, position: Uint8Array, filters: PageFilters): Uint8Array {
  const { tenant, severity = null, since = null, until = null, q = null } = filters
  // A JSON array distinguishes a missing filter from an empty one, and separates filters unambiguously.
  const asked = createHash('sha256').update(JSON.stringify([tenant, severity, since, until, q]))
  return createHmac('sha256', key).update(position).update(asked.digest()).digest()
}

function invalid(): GatewayError {
  const message = 'the page token is invalid for these filters; request the first page again without it'
  return new GatewayError('page_token_invalid', message)
}
