/** The grams of block filters: src/protocol/blocks/gram-filter.ts, which defines them. */

import { byteAt } from './bytes'

const TRIGRAM: usize = 3
const GRAM_FACTOR = <i32>0x9e3779b1
const GRAM: usize = 8
const WINDOW: usize = 9
const PROBES = 6
const HEX_RUN_MIN: usize = GRAM + WINDOW - 1
const BASE: i32 = 0x2c1b3c6d
const BASE_2: i32 = BASE * BASE
const BASE_4: i32 = BASE_2 * BASE_2
const KEY_FACTOR_1 = <i32>0x85ebca6b
const KEY_FACTOR_2 = <i32>0xc2b2ae35

/** By byte: 1 to 17 for hexadecimal digits and the hyphen, 0 for others. */
const HEX_CODES = memory.data(256)

/** Steps of addMinimizers before its first result. */
const STEPS_AHEAD = 6

export function fillHexCodes(): void {
  for (let i = 0; i < 10; i++) store<u8>(HEX_CODES + 0x30 + i, <u8>(i + 1))
  for (let i = 0; i < 6; i++) {
    store<u8>(HEX_CODES + 0x41 + i, <u8>(i + 11))
    store<u8>(HEX_CODES + 0x61 + i, <u8>(i + 11))
  }
  store<u8>(HEX_CODES + 0x2d, 17)
}

/**
 * Marks the trigrams of lines [ends[i - 1], ends[i]) (u32; from `start` for the first) of the text, of which position 0 is
 * at `text`, in `seen`, a byte each. Writes the keys of their hexadecimal runs (u32) to `keys`, which has room for one a
 * byte, some of them more than once. Returns their number.
 */
export function gramsOfLines(text: usize, start: u32, ends: usize, count: u32, seen: usize, keys: usize): u32 {
  let keysEnd = keys
  let from = text + start
  for (let i: u32 = 0; i < count; i++) {
    const end = text + load<u32>(ends + (i << 2))
    markTrigrams(from, end, seen)
    keysEnd = addRuns(from, end, keysEnd)
    from = end
  }
  return <u32>((keysEnd - keys) >>> 2)
}

/** The same of the values of metadata pairs [at, end). */
export function gramsOfPairs(at: usize, end: usize, seen: usize, keys: usize): u32 {
  let keysEnd = keys
  let isValue = false
  while (at < end) {
    let length: u32 = 0
    for (let shift = 0; ; shift += 7) {
      const byte = byteAt(at++)
      length |= <u32>(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    const stop = length < <u32>(end - at) ? at + length : end
    if (isValue) {
      markTrigrams(at, stop, seen)
      keysEnd = addRuns(at, stop, keysEnd)
    }
    isValue = !isValue
    at = stop
  }
  return <u32>((keysEnd - keys) >>> 2)
}

/** Sets the bits of keys (u32) in a Bloom filter of `bits` bits at `filter`: src/protocol/blocks/gram-filter.ts. */
export function setProbes(keys: usize, count: u32, filter: usize, bits: u32): void {
  const scale = <f64>bits / 4294967296.0
  for (const end = keys + (<usize>count << 2); keys < end; keys += 4) {
    const key = load<u32>(keys)
    const step = (key * GRAM_FACTOR) | 1
    let hash = key
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = <u32>(<f64>hash * scale)
      const at = filter + (bit >>> 3)
      store<u8>(at, <u8>(byteAt(at) | (1 << (bit & 7))))
      hash += step
    }
  }
}

function markTrigrams(at: usize, end: usize, seen: usize): void {
  if (end - at < TRIGRAM) return
  // Marking twice changes nothing, so the last step overlaps the one before. A step reads 20 bytes.
  const last = end - TRIGRAM - 15
  if (end - at >= TRIGRAM + 15) {
    for (; at < last; at += 16) markSixteen(at, seen)
    markSixteen(last, seen)
    return
  }
  const lastFour = end - TRIGRAM - 3
  if (end - at >= TRIGRAM + 3) {
    for (; at < lastFour; at += 4) markFour(lowerCases(v128.load(at)), seen)
    markFour(lowerCases(v128.load(lastFour)), seen)
    return
  }
  // Fewer than four: the first one again in the place of those that are missing.
  const grams = lowerCases(v128.load(at))
  const hashes = i32x4.mul(i8x16.swizzle(grams, i8x16(-1, 2, 1, 0, -1, 3, 2, 1, -1, 4, 3, 2, -1, 2, 1, 0)), i32x4.splat(GRAM_FACTOR))
  mark(i16x8.extract_lane_u(hashes, 1), seen)
  if (end - at > TRIGRAM) mark(i16x8.extract_lane_u(hashes, 3), seen)
  if (end - at > TRIGRAM + 1) mark(i16x8.extract_lane_u(hashes, 5), seen)
}

/** The grams that start at 16 positions. */
// @ts-ignore: decorator
@inline
function markSixteen(at: usize, seen: usize): void {
  const first = lowerCases(v128.load(at))
  const second = lowerCases(v128.load(at, 4))
  markFour(first, seen)
  markLanes(i8x16.swizzle(first, i8x16(-1, 6, 5, 4, -1, 7, 6, 5, -1, 8, 7, 6, -1, 9, 8, 7)), seen)
  markLanes(i8x16.swizzle(first, i8x16(-1, 10, 9, 8, -1, 11, 10, 9, -1, 12, 11, 10, -1, 13, 12, 11)), seen)
  markLanes(i8x16.swizzle(second, i8x16(-1, 10, 9, 8, -1, 11, 10, 9, -1, 12, 11, 10, -1, 13, 12, 11)), seen)
}

// @ts-ignore: decorator
@inline
function markFour(bytes: v128, seen: usize): void {
  markLanes(i8x16.swizzle(bytes, i8x16(-1, 2, 1, 0, -1, 3, 2, 1, -1, 4, 3, 2, -1, 5, 4, 3)), seen)
}

/** Lanes hold a gram each, in their three upper bytes. */
// @ts-ignore: decorator
@inline
function markLanes(grams: v128, seen: usize): void {
  const hashes = i32x4.mul(grams, i32x4.splat(GRAM_FACTOR))
  mark(i16x8.extract_lane_u(hashes, 1), seen)
  mark(i16x8.extract_lane_u(hashes, 3), seen)
  mark(i16x8.extract_lane_u(hashes, 5), seen)
  mark(i16x8.extract_lane_u(hashes, 7), seen)
}

// @ts-ignore: decorator
@inline
function mark(bit: u32, seen: usize): void {
  store<u8>(seen + bit, 1)
}

// @ts-ignore: decorator
@inline
function lowerCases(bytes: v128): v128 {
  // A to Z become the 26 smallest signed numbers.
  const isCapital = i8x16.lt_s(i8x16.add(bytes, i8x16.splat(0x3f)), i8x16.splat(-102))
  return v128.or(bytes, v128.and(isCapital, i8x16.splat(0x20)))
}

/** Writes the keys of the hexadecimal runs of [start, end). Returns their end. */
function addRuns(start: usize, end: usize, keys: usize): usize {
  // A run has at least one of any positions that are as far apart as it is long.
  for (let probe = start + HEX_RUN_MIN - 1; probe < end; probe += HEX_RUN_MIN) {
    if (!isHex(probe)) continue
    let first = probe
    while (first > start && isHex(first - 1)) first--
    let stop = probe + 1
    while (stop < end && isHex(stop)) stop++
    if (stop - first >= HEX_RUN_MIN) keys = addMinimizers(first, stop, keys)
    // What is before the next probe begins after this run.
    start = stop
    probe = stop
  }
  return keys
}

// @ts-ignore: decorator
@inline
function isHex(at: usize): bool {
  return byteAt(HEX_CODES + byteAt(at)) != 0
}

/**
 * Writes the smallest key of each WINDOW grams in a row of [at, end), at least HEX_RUN_MIN long, without repeats next to
 * each other. Four positions a step: a hash of eight codes is made of those of four, these of pairs, and the smallest of nine
 * keys of those of eight, four and two. Each takes the vector behind its own, which the next step has: what is stored in
 * a step began six steps before. What is behind the run is computed and not used.
 */
function addMinimizers(at: usize, end: usize, keys: usize): usize {
  let windows = <i32>(end - at - HEX_RUN_MIN + 1)
  let codes = i32x4.splat(0), pairs = codes, fours = codes, key = codes, leastOfTwo = codes, leastOfFour = codes
  let last = 0
  for (let ahead = STEPS_AHEAD; windows > 0; ahead--) {
    const nextCodes = codesAt(at)
    at += 4
    const nextPairs = i32x4.add(i32x4.mul(codes, i32x4.splat(BASE)), behind(codes, nextCodes))
    const nextFours = i32x4.add(i32x4.mul(pairs, i32x4.splat(BASE_2)), behindTwo(pairs, nextPairs))
    const nextKey = keysOf(i32x4.add(i32x4.mul(fours, i32x4.splat(BASE_4)), nextFours))
    const nextTwo = i32x4.min_u(key, behind(key, nextKey))
    const nextFour = i32x4.min_u(leastOfTwo, behindTwo(leastOfTwo, nextTwo))
    if (ahead <= 0) {
      const least = i32x4.min_u(i32x4.min_u(leastOfFour, nextFour), key)
      const first = i32x4.extract_lane(least, 0)
      keys = writeKey(keys, first, last)
      last = first
      if (windows > 1) {
        const second = i32x4.extract_lane(least, 1)
        keys = writeKey(keys, second, last)
        last = second
      }
      if (windows > 2) {
        const third = i32x4.extract_lane(least, 2)
        keys = writeKey(keys, third, last)
        last = third
      }
      if (windows > 3) {
        const fourth = i32x4.extract_lane(least, 3)
        keys = writeKey(keys, fourth, last)
        last = fourth
      }
      windows -= 4
    }
    codes = nextCodes
    pairs = nextPairs
    fours = nextFours
    key = nextKey
    leastOfTwo = nextTwo
    leastOfFour = nextFour
  }
  return keys
}

/** The next place for a key; a key that repeats the last one is overwritten. */
// @ts-ignore: decorator
@inline
function writeKey(keys: usize, key: i32, last: i32): usize {
  store<i32>(keys, key)
  return keys + (<usize>(key != last) << 2)
}

/** The codes of four bytes; of other bytes than those of runs, any. */
// @ts-ignore: decorator
@inline
function codesAt(at: usize): v128 {
  // Digits are 16 to 25, letters 1 to 6, and the hyphen 13 in their five lower bits.
  const low = v128.and(v128.load32_zero(at), i8x16.splat(0x1f))
  const letters = i8x16.swizzle(i8x16(0, 11, 12, 13, 14, 15, 16, 0, 0, 0, 0, 0, 0, 17, 0, 0), low)
  const codes = v128.or(letters, i8x16.sub_sat_u(low, i8x16.splat(15)))
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(codes))
}

/** The lanes from the second of one vector to the first of the next. */
// @ts-ignore: decorator
@inline
function behind(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 1, 2, 3, 4)
}

// @ts-ignore: decorator
@inline
function behindTwo(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 3, 4, 5)
}

/** Never 0. */
// @ts-ignore: decorator
@inline
function keysOf(grams: v128): v128 {
  let keys = i32x4.mul(v128.xor(grams, i32x4.shr_u(grams, 15)), i32x4.splat(KEY_FACTOR_1))
  keys = i32x4.mul(v128.xor(keys, i32x4.shr_u(keys, 13)), i32x4.splat(KEY_FACTOR_2))
  keys = v128.xor(keys, i32x4.shr_u(keys, 16))
  const isZero = i32x4.eq(keys, i32x4.splat(0))
  return i32x4.sub(keys, isZero)
}
