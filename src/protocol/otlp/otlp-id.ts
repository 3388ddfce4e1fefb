/** Trace and span ids as lowercase hex, from the formats that clients send. */

/** Sizes of a trace id and a span id, in bytes. */
export const TRACE_ID_BYTES = 16
export const SPAN_ID_BYTES = 8

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/**
 * An id in text: hex digits in either case, base64 of its bytes (as in protobuf's own JSON) or of its hex digits, a
 * UUID for 16 bytes, with or without the prefix `0x`. Empty for no id; undefined for anything else.
 */
export function idOfText(text: string, bytes: number): string | undefined {
  if (text === '') return ''
  const digits = text.toLowerCase().replace(/^0x/, '')
  if (isHex(digits, bytes)) return digits
  if (bytes === TRACE_ID_BYTES && UUID.test(text)) return text.toLowerCase().replaceAll('-', '')
  if (!BASE64.test(text)) return undefined
  const decoded = Buffer.from(text, 'base64')
  // Node ignores invalid characters: the text is only base64 if encoding the bytes gives the same text.
  if (plainBase64(decoded.toString('base64')) !== plainBase64(text)) return undefined
  return decoded.length === bytes ? decoded.toString('hex') : digitsInBytes(decoded, bytes)
}

/** An id in bytes: the bytes themselves, or one of the text formats. */
export function idOfBytes(value: Buffer, bytes: number): string | undefined {
  if (value.length === bytes) return value.toString('hex')
  return idOfText(value.toString('latin1'), bytes) ?? digitsInBytes(value, bytes)
}

/** Hex digits that were sent as bytes, or that were decoded as base64 on the way. */
function digitsInBytes(value: Buffer, bytes: number): string | undefined {
  const digits = value.toString(value.length === bytes * 2 ? 'latin1' : 'base64').toLowerCase()
  return isHex(digits, bytes) ? digits : undefined
}

/** The reason why an id is refused. */
export function idFault(name: 'traceId' | 'spanId', found: string): string {
  const bytes = name === 'traceId' ? TRACE_ID_BYTES : SPAN_ID_BYTES
  return `log record has a ${name} of ${found}; send ${bytes} bytes, or ${bytes * 2} hex digits in JSON`
}

function isHex(text: string, bytes: number): boolean {
  return text.length === bytes * 2 && /^[0-9a-f]*$/.test(text)
}

function plainBase64(text: string): string {
  return text.replaceAll('-', '+').replaceAll('_', '/').replaceAll('=', '')
}
