/**
 * The filter pattern of CloudWatch Logs that lets through every line of a level or worse, and as few others as it can.
 *
 * A single regular expression, as only that looks at letters in any case. See "Supported regular expressions (regex)
 * syntax" in the CloudWatch Logs user guide: no groups, letters, digits and a few signs, all others as `\xhh`.
 */

import { LEVEL_NONE, LEVELS, WARN } from '../../../domain/levels/level.ts'
import { FIELD_NAMES } from '../../../domain/levels/level-fields.ts'
import { codeOfLetter } from '../../../domain/levels/level-letters.ts'
import { codeOfNumber } from '../../../domain/levels/level-values.ts'
import { WORDS_BY_LETTER } from '../../../domain/levels/level-words.ts'

const QUOTE = '\\x22'
const BACKSLASH = '\\x5c'
const ESCAPE = '\\x1b'
const LESS = '\\x3c'
const GREATER = '\\x3e'
const LETTERS = 'DEFIVW'
/** Zeros may stand before a number, and 0 itself is of the worst level: it has a part of its own. */
const DIGITS = '123456789'

/** The pattern for lines from `level` on, at most 1,024 characters; empty, which is every line, for levels below `warn`. */
export function levelPattern(level: (typeof LEVELS)[number]): string {
  const levelMin = LEVELS.indexOf(level)
  if (levelMin < WARN) return ''
  const parts = [...words(levelMin).map(inAnyCase), ...numbers(levelMin), ...letters(levelMin), PRIORITY]
  return `%${parts.join('|')}%`
}

/** A line that begins with syslog's priority, whatever it is. */
const PRIORITY = `^\\s*${LESS}\\d\\d?\\d?${GREATER}`

/** Words of the levels; one that holds another is found by that. */
function words(levelMin: number): readonly string[] {
  const wanted = WORDS_BY_LETTER.flatMap((candidates = []) =>
    candidates.filter(({ code }) => code >= levelMin).map(({ bytes }) => String.fromCharCode(...bytes)),
  )
  const unique = [...new Set(wanted)]
  return unique.filter((word) => !unique.some((other) => other !== word && word.includes(other)))
}

function inAnyCase(word: string): string {
  return [...word].map((letter) => `[${letter.toUpperCase()}${letter}]`).join('')
}

/** A number, or what begins with a colour, as the value of a key that may be one of a level, by its last letter. */
function numbers(levelMin: number): readonly string[] {
  const last = FIELD_NAMES.map((name) => name.slice(-1))
  const ends = [...new Set(last.flatMap((letter) => [letter.toUpperCase(), letter.toLowerCase()]))].sort().join('')
  const key = `[${ends}]${QUOTE}?\\s*[:=]\\s*${QUOTE}?\\s*`
  const digits = (unit: number): string =>
    [...DIGITS].filter((digit) => codeOfNumber(unit * Number(digit)) >= levelMin).join('')
  // The text behind the digit, by what the digit stands for.
  const behind: readonly (readonly [unit: number, text: string])[] = [
    [1, '\\D'],
    [1, '$'],
    [10, '\\d'],
    [100, '\\d\\d'],
  ]
  const values = behind.filter(([unit]) => digits(unit) !== '').map(([unit, text]) => `[${digits(unit)}]${text}`)
  return [ESCAPE, BACKSLASH, '0', ...values].map((value) => key + value)
}

/** Letters of glog and klog, of Android, of MongoDB. */
function letters(levelMin: number): readonly string[] {
  const wanted = [...LETTERS].filter((letter) => {
    const code = codeOfLetter(letter.charCodeAt(0))
    return code !== LEVEL_NONE && code >= levelMin
  })
  const letter = `[${wanted.join('')}]`
  return [`${letter}\\d\\d\\d\\d\\s`, `${letter}/[A-Za-z]`, `${QUOTE}s${QUOTE}\\s*:\\s*${QUOTE}${letter}`]
}
