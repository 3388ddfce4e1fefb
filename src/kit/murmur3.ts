/** MurmurHash3 (x86, 128 bits): names by content where no secret is at stake. See Appleby's smhasher, public domain. */

const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

/** 32 hexadecimal digits; `seed` is an unsigned 32-bit number. */
export function murmur128(bytes: Uint8Array, seed = 0): string {
  return murmur128Words(bytes, seed).map(hex).join('')
}

/** The same as four words of 32 bits. */
export function murmur128Words(bytes: Uint8Array, seed = 0): [number, number, number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let h1 = seed
  let h2 = seed
  let h3 = seed
  let h4 = seed
  const whole = bytes.length - (bytes.length % 16)
  for (let i = 0; i < whole; i += 16) {
    h1 ^= mix(view.getUint32(i, true), C1, 15, C2)
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0
    h2 ^= mix(view.getUint32(i + 4, true), C2, 16, C3)
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0
    h3 ^= mix(view.getUint32(i + 8, true), C3, 17, C4)
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0
    h4 ^= mix(view.getUint32(i + 12, true), C4, 18, C1)
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0
  }
  // The rest, as if zeros followed: a word of zeros changes nothing.
  h4 ^= mix(tailWord(bytes, whole + 12), C4, 18, C1)
  h3 ^= mix(tailWord(bytes, whole + 8), C3, 17, C4)
  h2 ^= mix(tailWord(bytes, whole + 4), C2, 16, C3)
  h1 ^= mix(tailWord(bytes, whole), C1, 15, C2)
  h1 ^= bytes.length
  h2 ^= bytes.length
  h3 ^= bytes.length
  h4 ^= bytes.length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0
  h3 = (h3 + h1) | 0
  h4 = (h4 + h1) | 0
  h1 = finish(h1)
  h2 = finish(h2)
  h3 = finish(h3)
  h4 = finish(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  return [h1, h2 + h1, h3 + h1, h4 + h1]
}

function mix(word: number, first: number, turn: number, second: number): number {
  return Math.imul(rotate(Math.imul(word, first), turn), second)
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}

function tailWord(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] ?? 0
  return byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)
}

function finish(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
