/** Reading bytes of the memory. Bytes as i32, because comparisons of u8 would add masks. */

// @ts-ignore: decorator
@inline
export function byteAt(at: usize): i32 {
  return load<u8>(at)
}

// @ts-ignore: decorator
@inline
export function isDigit(byte: i32): bool {
  return byte >= 0x30 && byte <= 0x39
}

// @ts-ignore: decorator
@inline
export function isSpace(byte: i32): bool {
  return byte == 0x20 || (byte >= 0x09 && byte <= 0x0d)
}

// @ts-ignore: decorator
@inline
export function lowerCase(byte: i32): i32 {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}

/** Whether the bytes at `at` are the ASCII text `word`. */
export function isText(at: usize, word: string): bool {
  const chars = changetype<usize>(word)
  for (let i = 0, length = word.length; i < length; i++) {
    if (byteAt(at + i) != <i32>load<u16>(chars + (<usize>i << 1))) return false
  }
  return true
}

/** Whether the bytes at `at` are the ASCII text `lower` in any case. */
export function isTextOfAnyCase(at: usize, lower: string): bool {
  const chars = changetype<usize>(lower)
  for (let i = 0, length = lower.length; i < length; i++) {
    if (lowerCase(byteAt(at + i)) != <i32>load<u16>(chars + (<usize>i << 1))) return false
  }
  return true
}
