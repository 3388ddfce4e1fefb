import t from 'tap'
import { LEVELS } from '../../src/domain/levels/level.ts'
import { findLevels, LEVEL_PENDING, type LevelColumns } from '../../src/domain/levels/line-level.ts'
import { findLevelsByKernel } from '../../src/kernel/kernel-levels.ts'
import { LEVEL_LINES } from '../domain/levels/level-lines.ts'

function columnsOf(lines: readonly string[], level = LEVEL_PENDING): LevelColumns {
  const text = Buffer.from(lines.join(''))
  const ends = new Uint32Array(lines.length)
  let end = 0
  for (const [i, line] of lines.entries()) {
    end += Buffer.byteLength(line)
    ends[i] = end
  }
  const starts = Uint32Array.from(ends, (_, i) => (i === 0 ? 0 : (ends[i - 1] as number)))
  return { text, starts, ends, levels: new Uint8Array(lines.length).fill(level), count: lines.length }
}

t.test('the lines of common loggers have the documented levels', async (t) => {
  const columns = columnsOf(LEVEL_LINES.map(([, line]) => line))
  findLevelsByKernel(columns)
  for (const [i, [logger, line, level]] of LEVEL_LINES.entries()) {
    t.equal(LEVELS[columns.levels[i] as number], level, `${logger}: ${line}`)
  }
})

t.test('known levels stay', async (t) => {
  const columns = columnsOf(
    Array.from({ length: 300 }, () => 'level=error'),
    3,
  )
  columns.levels[7] = LEVEL_PENDING
  findLevelsByKernel(columns)
  t.equal(LEVELS[columns.levels[7] as number], 'error')
  t.same([...new Set(columns.levels)].sort(), [3, 6])
})

t.test('levels are also found in texts or lines larger than the memory, and in lines far apart', async (t) => {
  const line = (i: number): string => `${'x'.repeat(i % 100_000)} level=${['info', 'warn', 'error'][i % 3]} `
  const many = columnsOf(Array.from({ length: 300 }, (_, i) => line(i * 997)))
  t.ok(many.text.length > 8 * 1024 * 1024)
  const huge = columnsOf([
    line(1),
    'y'.repeat(9_000_000),
    line(2),
    '',
    ...Array.from({ length: 70_000 }, () => 'E/a b c'),
  ])
  for (const columns of [many, huge, columnsOf([]), columnsOf(['z'.repeat(5000)])]) {
    const wanted = { ...columns, levels: columns.levels.slice() }
    findLevels(wanted)
    findLevelsByKernel(columns)
    t.ok(Buffer.from(columns.levels).equals(wanted.levels))
  }
})
