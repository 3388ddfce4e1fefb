/** Guesses what an invalid body is: its first bytes often show the client's mistake. */

/** The expected format: JSON, protobuf, or (on Loki's routes) snappy-compressed protobuf. */
export type BodyForm = 'json' | 'protobuf' | 'snappy'

/** How many bytes of a body are inspected. */
const INSPECTED_BYTES = 512

/** Magic bytes, and their meaning. */
const MAGIC: readonly (readonly [bytes: readonly number[], hint: string])[] = [
  [[0x1f, 0x8b], 'it looks like gzip; compress it once and send Content-Encoding: gzip'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'it looks like zstd; compress it once and send Content-Encoding: zstd'],
  [[0x04, 0x22, 0x4d, 0x18], 'it looks like lz4; compress it once and send Content-Encoding: lz4'],
  [
    [0xff, 0x06, 0x00, 0x00, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59],
    'it looks like snappy in its framed (stream) format; send the block format',
  ],
  [[0xff, 0xfe], 'it looks like UTF-16; send UTF-8'],
  [[0xfe, 0xff], 'it looks like UTF-16; send UTF-8'],
]

/**
 * What the body is instead of the expected format, and what to send; undefined if unknown. `body` is decompressed. The
 * text contains nothing from the body.
 */
export function hintOfBody(body: Uint8Array, form: BodyForm): string | undefined {
  if (body.length === 0) return 'it is empty'
  for (const [bytes, hint] of MAGIC) if (bytes.every((byte, i) => body[i] === byte)) return hint
  if (isWideText(body)) return 'it looks like UTF-16; send UTF-8'
  const text = new TextDecoder('latin1').decode(body.subarray(0, INSPECTED_BYTES)).trim()
  return form === 'json' ? hintOfJson(text) : hintOfProtobuf(body, text, form)
}

/** ASCII in a two-byte encoding: every other byte is zero. */
function isWideText(body: Uint8Array): boolean {
  if (body.length < 8) return false
  const isLittle = body[1] === 0 && body[3] === 0 && body[5] === 0 && body[0] !== 0
  return isLittle || (body[0] === 0 && body[2] === 0 && body[4] === 0 && body[1] !== 0)
}

function hintOfProtobuf(body: Uint8Array, text: string, form: BodyForm): string | undefined {
  if (/^(?:\xef\xbb\xbf)?[[{]\s*["'{[\]}]/.test(text)) return 'it looks like JSON; send Content-Type: application/json'
  if (form === 'snappy' && body[0] === 0x0a)
    return 'it looks like protobuf without compression; compress it with snappy'
  return undefined
}

function hintOfJson(text: string): string | undefined {
  if (/^[[{]\s*['`]/.test(text)) return 'keys and strings need double quotes'
  if (/^"(?:\\[rn]|\s)*[[{]/.test(text)) return 'it is a JSON string that holds JSON; send the object itself'
  if (/^[A-Za-z0-9+/]{16,}={0,2}$/.test(text)) return 'it looks like base64; send the bytes themselves'
  if (/^(?:[\w.~-]|%[0-9a-f]{2})+=/i.test(text)) return 'it looks like form data; send the JSON itself'
  if (/^--.*\r?\ncontent-disposition:/i.test(text)) return 'it looks like form data; send the JSON itself'
  if (text.startsWith('<')) return 'it looks like XML or HTML; send JSON'
  if (/^[[{]\s*[A-Za-z_$]/.test(text) && !/^\[\s*(?:true|false|null)/.test(text)) return 'keys need double quotes'
  if (isBinary(text)) return 'it looks like binary data; if it is protobuf, send Content-Type: application/x-protobuf'
  return undefined
}

/** Control characters that do not occur in text. */
function isBinary(text: string): boolean {
  return Array.from(text).some((char) => char < ' ' && !'\t\n\r'.includes(char))
}
