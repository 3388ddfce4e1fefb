/** The level field of a JSON or logfmt line: src/domain/levels/level-fields.ts. */

import { byteAt, isDigit, isSpace, isText, isTextOfAnyCase } from './bytes'
import { codeOfLetter, codeOfValue, isMongoSeverity } from './level-values'
import { NONE } from './levels'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const EQUALS = 0x3d
const SPACE = 0x20
const JSON_DEPTH_MAX = 2
const NO_RANK = 99

export function levelOfJson(start: usize, end: usize): i32 {
  let number = NONE
  let depth = 0
  let arrays = 0
  let i = start
  while (i < end) {
    const byte = byteAt(i)
    if (byte == QUOTE) {
      const keyStart = i + 1
      const keyEnd = endOfString(keyStart, end)
      i = keyEnd + 1
      if (arrays > 0 || depth > JSON_DEPTH_MAX) continue
      while (i < end && isSpace(byteAt(i))) i++
      if (i >= end || byteAt(i) != COLON) continue
      i++
      while (i < end && isSpace(byteAt(i))) i++
      if (i >= end) continue
      const isString = byteAt(i) == QUOTE
      if (!isString && !isDigit(byteAt(i))) continue
      const valueStart = isString ? i + 1 : i
      const valueEnd = isString ? endOfString(valueStart, end) : endOfNumber(valueStart, end)
      i = isString ? valueEnd + 1 : valueEnd
      if (isMongoSeverity(keyStart, keyEnd, valueStart, valueEnd)) return codeOfLetter(byteAt(valueStart))
      if (!isJsonField(keyStart, <i32>(keyEnd - keyStart))) continue
      const code = codeOfValue(valueStart, valueEnd)
      if (isString) return code == NONE ? number : code
      if (number == NONE) number = code
      continue
    }
    if (byte == 0x7b) depth++
    else if (byte == 0x7d) depth--
    else if (byte == 0x5b) arrays++
    else if (byte == 0x5d) arrays--
    i++
    if (i < end && (byteAt(i) != QUOTE)) i = nextMark(i, end)
  }
  return number
}

/** The next quote, brace or bracket, or `end`. Braces and brackets differ in one bit: 0x7b and 0x5b, 0x7d and 0x5d. */
function nextMark(start: usize, end: usize): usize {
  for (let i = start; i < end; i += 16) {
    const bytes = v128.load(i)
    const braces = v128.or(bytes, i8x16.splat(0x20))
    const marks = v128.or(i8x16.eq(braces, i8x16.splat(0x7b)), i8x16.eq(braces, i8x16.splat(0x7d)))
    const found = i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)), marks))
    if (found != 0) return min(i + ctz(found), end)
  }
  return end
}

export function levelOfLogfmt(start: usize, end: usize): i32 {
  let best = NONE
  let bestRank = NO_RANK
  let i = start
  while (true) {
    // Keys end at an equals sign and begin after white space or the value before.
    const equals = nextEquals(i, end)
    if (equals == end) return best
    let keyStart = equals
    while (keyStart > i && byteAt(keyStart - 1) > SPACE) keyStart--
    const rank = rankOfKey(keyStart, <i32>(equals - keyStart))
    let valueStart = equals + 1
    let valueEnd = valueStart
    if (valueStart < end && byteAt(valueStart) == QUOTE) {
      valueStart++
      valueEnd = endOfString(valueStart, end)
      i = valueEnd + 1
    } else {
      while (valueEnd < end && byteAt(valueEnd) > SPACE) valueEnd++
      i = valueEnd
    }
    if (rank < bestRank) {
      best = codeOfValue(valueStart, valueEnd)
      bestRank = rank
      if (rank == 0) return best
    }
    if (i >= end) return best
  }
}

/** The next equals sign, or `end`. */
function nextEquals(start: usize, end: usize): usize {
  const wanted = i8x16.splat(<i8>EQUALS)
  for (let i = start; i < end; i += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(i), wanted))
    if (found != 0) return min(i + ctz(found), end)
  }
  return end
}

/** The index of the closing quote, or `end`. */
function endOfString(start: usize, end: usize): usize {
  const quotes = i8x16.splat(<i8>QUOTE)
  const backslashes = i8x16.splat(<i8>BACKSLASH)
  let i = start
  while (i < end) {
    const bytes = v128.load(i)
    const found = i8x16.bitmask(v128.or(i8x16.eq(bytes, quotes), i8x16.eq(bytes, backslashes)))
    if (found == 0) {
      i += 16
      continue
    }
    i += ctz(found)
    if (i >= end) return end
    if (byteAt(i) == QUOTE) return i
    i += 2
  }
  return end
}

function endOfNumber(start: usize, end: usize): usize {
  let i = start
  while (i < end && (isDigit(byteAt(i)) || byteAt(i) == 0x2e)) i++
  return i
}

function isJsonField(at: usize, length: i32): bool {
  switch (length) {
    case 2:
      return isText(at, '@l')
    case 3:
      return isText(at, 'lvl') || isText(at, 'LVL') || isText(at, 'Lvl')
    case 5:
      return isText(at, 'level') || isText(at, 'LEVEL') || isText(at, 'Level')
    case 8:
      return (
        isText(at, 'severity') ||
        isText(at, 'SEVERITY') ||
        isText(at, 'Severity') ||
        isText(at, 'logLevel') ||
        isText(at, 'LogLevel') ||
        isText(at, 'loglevel') ||
        isText(at, 'PRIORITY')
      )
    case 9:
      return (
        isText(at, 'log.level') || isText(at, 'levelname') || isText(at, 'log_level') || isText(at, 'levelName')
      )
    case 10:
      return isText(at, 'level_name')
    case 12:
      return isText(at, 'SeverityText')
    case 13:
      return isText(at, 'severity_text') || isText(at, 'Severity_Text') || isText(at, 'SEVERITY_TEXT')
    default:
      return false
  }
}

/** The rank of a key in any case, 0 for the most trusted; NO_RANK if it is none of ours. */
function rankOfKey(at: usize, length: i32): i32 {
  switch (length) {
    case 2:
      return isTextOfAnyCase(at, '@l') ? 10 : NO_RANK
    case 3:
      return isTextOfAnyCase(at, 'lvl') ? 4 : NO_RANK
    case 5:
      return isTextOfAnyCase(at, 'level') ? 0 : NO_RANK
    case 8:
      if (isTextOfAnyCase(at, 'severity')) return 2
      if (isTextOfAnyCase(at, 'loglevel')) return 9
      return isTextOfAnyCase(at, 'priority') ? 11 : NO_RANK
    case 9:
      if (isTextOfAnyCase(at, 'log.level')) return 1
      if (isTextOfAnyCase(at, 'levelname')) return 6
      return isTextOfAnyCase(at, 'log_level') ? 8 : NO_RANK
    case 10:
      return isTextOfAnyCase(at, 'level_name') ? 7 : NO_RANK
    case 12:
      return isTextOfAnyCase(at, 'severitytext') ? 3 : NO_RANK
    case 13:
      return isTextOfAnyCase(at, 'severity_text') ? 5 : NO_RANK
    default:
      return NO_RANK
  }
}
