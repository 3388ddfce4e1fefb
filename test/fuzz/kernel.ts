/** The WebAssembly module compared with its equals in TypeScript, on generated and damaged inputs. */

import { isDeepStrictEqual } from 'node:util'
import snappyjs from 'snappyjs'
import { writeVarint } from '../../src/domain/entries/batch.ts'
import { findLevels, LEVEL_PENDING, type LevelColumns } from '../../src/domain/levels/line-level.ts'
import { type GramTexts, setProbesByKernel } from '../../src/kernel/kernel-grams.ts'
import { findLevelsByKernel } from '../../src/kernel/kernel-levels.ts'
import { decodeElementsByKernel } from '../../src/kernel/kernel-snappy.ts'
import { setProbes } from '../../src/protocol/blocks/gram-filter.ts'
import { Grams } from '../../src/protocol/blocks/grams.ts'
import { decodeElements } from '../../src/protocol/bytes/snappy.ts'
import { CAPITAL_FORMS, LEVEL_LINES } from '../domain/levels/level-lines.ts'
import { Random } from '../support/random.ts'

const LINES_PER_TEXT = 100

/** Pieces of lines that decide about levels, alone or next to each other. */
const PIECES: readonly string[] = [
  ...' \t\n[](){}<>"\'=|.:*!,;}#@~`-_/?\\'.split(''),
  ...['trace', 'debug', 'fatal', 'critical', 'error', 'err', 'warning', 'warn', 'info', 'trc', 'trce', 'trac', 'dbg'],
  ...['dbug', 'debu', 'verbose', 'vrb', 'inf', 'information', 'informational', 'notice', 'note', 'wrn', 'erro', 'eror'],
  ...['severe', 'fail', 'crit', 'alert', 'ftl', 'fata', 'pani', 'panic', 'emerg', 'emergency', 'INFO', 'ERROR', 'Warn'],
  ...['level', 'LEVEL', 'Level', 'log.level', 'severity', 'Severity', 'SeverityText', 'lvl', 'Lvl', 'severity_text'],
  ...['levelname', 'level_name', 'log_level', 'logLevel', 'LogLevel', 'loglevel', 'levelName', '@l', 'PRIORITY', 's'],
  ...[
    'no ',
    'without ',
    'zero ',
    'any ',
    'non ',
    '0 ',
    '(s)',
    'null',
    'nil',
    'none',
    'false',
    '0',
    '""',
    "''",
    '<nil>',
  ],
  ...['undefined', '[]', '{}', '[ ]', '{ }', '\u001b[31m', '\\u001b[0m', '\\x1b[1;32m', '\u001b[', 'm', '<131>', '<6>'],
  ...['30', '400', '7', '69', '8', '99', '1000', '3.5', 'E0625 ', 'E/Tag', 'W', 'D2', 'é', '\u0000', 'msg', 'time'],
]

function makeLine(random: Random): Buffer {
  const kind = random.integer(10)
  if (kind < 2) {
    const rows = LEVEL_LINES as readonly (readonly [string, string, string])[]
    const line =
      kind === 0
        ? (rows[random.integer(rows.length)]?.[1] ?? '')
        : (CAPITAL_FORMS[random.integer(CAPITAL_FORMS.length)] ?? '')
    return damaged(random, Buffer.from(line))
  }
  if (kind === 2) return Buffer.from(Array.from({ length: random.integer(40) }, () => random.integer(256)))
  let text = ''
  for (let n = random.integer(12); n > 0; n--) {
    const piece = PIECES[random.integer(PIECES.length)] as string
    text += random.integer(6) === 0 ? piece.toUpperCase() : piece
    if (random.integer(3) === 0) text += ['"', '":', '="', '=', ': ', ' ', '":"'][random.integer(7)]
  }
  if (kind === 3) text = `{${text}}`
  if (kind === 4) text = `{"${text}"}`
  return Buffer.from(text)
}

function damaged(random: Random, bytes: Buffer): Buffer {
  for (let n = random.integer(3); n > 0 && bytes.length > 0; n--) {
    const piece = Buffer.from(PIECES[random.integer(PIECES.length)] as string)
    if (random.integer(2) === 0) bytes[random.integer(bytes.length)] = piece[0] as number
    else {
      const at = random.integer(bytes.length + 1)
      bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + random.integer(3))])
    }
  }
  return bytes
}

/** Adjacent lines in one text; positions are sometimes shifted, so that any bytes may surround a line. */
function makeColumns(random: Random): LevelColumns {
  const lines = Array.from({ length: LINES_PER_TEXT }, () => makeLine(random))
  const gap = random.integer(3)
  // Longer than what is left to TypeScript.
  const text = Buffer.concat([...lines.flatMap((line) => [line, Buffer.alloc(gap, '"')]), Buffer.alloc(4096, 'x')])
  const starts = new Uint32Array(lines.length)
  const ends = new Uint32Array(lines.length)
  let at = 0
  for (const [i, line] of lines.entries()) {
    const isMoved = random.integer(8) === 0
    starts[i] = isMoved ? Math.max(0, at - random.integer(8)) : at
    ends[i] = Math.max(starts[i] as number, at + line.length - (isMoved ? random.integer(8) : 0))
    at += line.length + gap
  }
  const levels = Uint8Array.from(lines, () => (random.integer(10) === 0 ? 3 : LEVEL_PENDING))
  return { text, starts, ends, levels, count: lines.length }
}

/** Compares the levels of `cases` lines; throws for the first difference. */
export function compareLevels(seed: number, cases: number): void {
  const random = new Random(seed)
  for (let done = 0; done < cases; done += LINES_PER_TEXT) {
    const columns = makeColumns(random)
    const wanted = { ...columns, levels: columns.levels.slice() }
    findLevels(wanted)
    findLevelsByKernel(columns)
    for (let i = 0; i < columns.count; i++) {
      if (columns.levels[i] === wanted.levels[i]) continue
      const line = Buffer.from(columns.text.subarray(columns.starts[i], columns.ends[i])).toString('latin1')
      throw new Error(
        `seed ${seed}: level ${columns.levels[i]} instead of ${wanted.levels[i]} of ${JSON.stringify(line)}`,
      )
    }
  }
}

function makeSnappy(random: Random): { body: Buffer; length: number } {
  const pieces = Array.from({ length: 1 + random.integer(8) }, () =>
    Buffer.alloc(1 + random.integer(random.integer(4) === 0 ? 300 : 30), random.integer(256)),
  )
  const parts: Buffer[] = []
  let length = 0
  for (const wanted = 1024 + random.integer(3000); length < wanted; ) {
    const piece =
      random.integer(4) === 0
        ? Buffer.from(Array.from({ length: random.integer(90) }, () => random.integer(256)))
        : (pieces[random.integer(pieces.length)] as Buffer)
    parts.push(piece)
    length += piece.length
  }
  const body = Buffer.from(snappyjs.compress(Buffer.concat(parts)))
  for (let n = random.integer(3); n > 0; n--) body[2 + random.integer(body.length - 2)] = random.integer(256)
  return { body: random.integer(8) === 0 ? body.subarray(0, 2 + random.integer(body.length - 2)) : body, length }
}

/** Compares `cases` snappy blocks, whole and damaged; throws for the first difference. */
export function compareSnappy(seed: number, cases: number): void {
  const random = new Random(seed)
  for (let n = 0; n < cases; n++) {
    const { body, length } = makeSnappy(random)
    const wanted = Buffer.alloc(length)
    const output = Buffer.alloc(length)
    let isValid = true
    try {
      // The declared length of these blocks takes two bytes.
      decodeElements(body, 2, wanted)
    } catch {
      isValid = false
    }
    const isDecoded = decodeElementsByKernel(body, 2, output)
    if (isDecoded !== isValid) throw new Error(`seed ${seed}, block ${n}: decoded ${isDecoded} instead of ${isValid}`)
    if (isValid && !output.equals(wanted)) throw new Error(`seed ${seed}, block ${n}: other bytes`)
  }
}

const HEX_BYTES = Buffer.from('0123456789abcdefABCDEF-')
/** More than what is left to TypeScript. */
const GRAM_BYTES = 6000

/** Words, bytes of all kinds and hexadecimal runs of the lengths at which their keys change. */
function makeGramText(random: Random): Buffer {
  const parts = Array.from({ length: random.integer(5) }, () => {
    const length = random.integer(random.integer(8) === 0 ? 200 : 24)
    const kind = random.integer(3)
    if (kind === 0)
      return Buffer.from(Array.from({ length }, () => HEX_BYTES[random.integer(HEX_BYTES.length)] as number))
    if (kind === 1) return Buffer.alloc(length, HEX_BYTES[random.integer(HEX_BYTES.length)] as number)
    return Buffer.from(Array.from({ length }, () => random.integer(256)))
  })
  return Buffer.concat(parts)
}

function makeGramTexts(random: Random): GramTexts {
  const arePairs = random.integer(2) === 0
  const parts: Buffer[] = []
  const ends: number[] = []
  for (let end = 0; end < GRAM_BYTES || ends.length === 0; ) {
    const texts = arePairs
      ? Array.from({ length: random.integer(3) * 2 }, () => makeGramText(random))
      : [makeGramText(random)]
    for (const text of texts) {
      const length = Buffer.alloc(5)
      const part = arePairs ? Buffer.concat([length.subarray(0, writeVarint(length, 0, text.length)), text]) : text
      parts.push(part)
      end += part.length
    }
    ends.push(end)
  }
  return { bytes: Buffer.concat(parts), ends: Uint32Array.from(ends), arePairs }
}

/** Compares the grams of about `cases` texts; throws for the first difference. */
export function compareGrams(seed: number, cases: number): void {
  const random = new Random(seed)
  const [wanted, found] = [new Grams(), new Grams()]
  for (let done = 0; done < cases; ) {
    const texts = makeGramTexts(random)
    wanted.addFrom(0, texts)
    found.add(texts)
    const isEqual = Buffer.from(found.seen).equals(wanted.seen) && isDeepStrictEqual(keysOf(found), keysOf(wanted))
    if (!isEqual) throw new Error(`seed ${seed}, after ${done} texts: other grams`)
    compareProbes(seed, wanted.keys.values, random.integer(3000))
    wanted.clear()
    found.clear()
    done += texts.ends.length
  }
}

function compareProbes(seed: number, keys: Uint32Array, bytes: number): void {
  if (bytes === 0) return
  const [wanted, found] = [Buffer.alloc(bytes), Buffer.alloc(bytes)]
  setProbes(keys, wanted)
  if (setProbesByKernel(keys, found) && !found.equals(wanted)) throw new Error(`seed ${seed}: other bits`)
}

function keysOf({ keys }: Grams): Uint32Array {
  return keys.values.toSorted()
}
