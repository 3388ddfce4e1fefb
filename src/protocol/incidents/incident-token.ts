/** The opaque page token of GET /incidents. */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../../domain/errors.ts'

/** The last incident of the page. */
export interface IncidentPlace {
  readonly lastSeenMs: number
  /** 32 hexadecimal digits. */
  readonly id: string
}

/** The filters of the request; a token is only valid for the same ones. */
export interface IncidentFilters {
  readonly tenant: string
  readonly state?: string | undefined
  readonly since?: string | undefined
  readonly labels?: string | undefined
  readonly firstSince?: string | undefined
}

const VERSION = 1
const PLACE_BYTES = 25
/** 57 bytes are 76 characters without padding or spare bits, so a token has only one spelling. */
const TOKEN = /^[A-Za-z0-9_-]{76}$/

/**
 * Format: base64url of version (1 byte, 1), lastSeenMs (8 bytes, a double), the id (16 bytes) and the HMAC-SHA256 of
 * these and of the SHA-256 of the filters. `key`: 32 random bytes, shared with other kinds of tokens, which a prefix
 * distinguishes.
 */
export function sealIncidentToken(
  key: Uint8Array,
  { lastSeenMs, id }: IncidentPlace,
  filters: IncidentFilters,
): string {
  const place = Buffer.alloc(PLACE_BYTES)
  place.writeUInt8(VERSION, 0)
  place.writeDoubleBE(lastSeenMs, 1)
  place.write(id, 9, 'hex')
  return Buffer.concat([place, sign(key, place, filters)]).toString('base64url')
}

/** Opens a token sealed with the same key for the same filters; throws page_token_invalid for any other text. */
export function openIncidentToken(key: Uint8Array, token: string, filters: IncidentFilters): IncidentPlace {
  if (!TOKEN.test(token)) throw invalid()
  const bytes = Buffer.from(token, 'base64url')
  const place = bytes.subarray(0, PLACE_BYTES)
  if (!timingSafeEqual(sign(key, place, filters), bytes.subarray(PLACE_BYTES))) throw invalid()
  if (place.readUInt8(0) !== VERSION) throw invalid()
  return { lastSeenMs: place.readDoubleBE(1), id: place.toString('hex', 9) }
}

function sign(key: Uint8Array, place: Uint8Array, filters: IncidentFilters): Uint8Array {
  const { tenant, state = null, since = null, labels = null, firstSince } = filters
  const texts = [tenant, state, since, labels, ...(firstSince === undefined ? [] : [firstSince])]
  const asked = createHash('sha256').update(JSON.stringify(texts))
  return createHmac('sha256', key).update('incidents').update(place).update(asked.digest()).digest()
}

function invalid(): GatewayError {
  const message = 'the page token is invalid for these filters; request the first page again without it'
  return new GatewayError('page_token_invalid', message)
}
