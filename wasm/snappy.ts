/** The elements of a snappy block. See format_description.txt of the snappy project. */

import { byteAt } from './bytes'

/** Copies 16 bytes at a time; writes up to 15 bytes beyond the end, which later elements overwrite. */
// @ts-ignore: decorator
@inline
function copyWide(from: usize, to: usize, end: usize): void {
  do {
    v128.store(to, v128.load(from))
    from += 16
    to += 16
  } while (to < end)
}

/**
 * Decodes the elements [at, bodyEnd) to [to, outputEnd). False if they are not valid or do not fill the output exactly.
 * Reads up to 16 bytes beyond `bodyEnd`, and writes up to 15 beyond `outputEnd`.
 */
export function decodeElements(at: usize, bodyEnd: usize, to: usize, outputEnd: usize): bool {
  const output = to
  while (at < bodyEnd) {
    const tag = byteAt(at++)
    const kind = tag & 3
    if (kind == 0) {
      let length: usize = tag >>> 2
      if (length >= 60) {
        const bytes = length - 59
        if (bodyEnd - at < bytes) return false
        length = load<u32>(at)
        if (bytes < 4) length &= (<usize>1 << (bytes << 3)) - 1
        at += bytes
        if (length >= 0x7fffffff) return false
      }
      length++
      if (length > bodyEnd - at || length > outputEnd - to) return false
      if (length <= 64) copyWide(at, to, to + length)
      else memory.copy(to, at, length)
      at += length
      to += length
      continue
    }
    let length: usize
    let offset: usize
    if (kind == 1) {
      if (at >= bodyEnd) return false
      length = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | byteAt(at)
      at++
    } else if (kind == 2) {
      if (bodyEnd - at < 2) return false
      length = (tag >>> 2) + 1
      offset = load<u16>(at)
      at += 2
    } else {
      if (bodyEnd - at < 4) return false
      length = (tag >>> 2) + 1
      offset = load<u32>(at)
      at += 4
    }
    if (offset == 0 || offset > to - output || length > outputEnd - to) return false
    const end = to + length
    if (offset >= 16) copyWide(to - offset, to, end)
    else {
      // The copy repeats its own output: byte by byte until the pattern is wide enough.
      let from = to - offset
      while (to < end) store<u8>(to++, load<u8>(from++))
    }
    to = end
  }
  return to == outputEnd
}
