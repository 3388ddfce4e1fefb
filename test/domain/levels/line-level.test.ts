import t from 'tap'
import { LEVELS } from '../../../src/domain/levels/level.ts'
import { levelOfLine } from '../../../src/domain/levels/line-level.ts'
import { CAPITAL_FORMS, LEVEL_LINES } from './level-lines.ts'

for (const [logger, line, level] of LEVEL_LINES) {
  t.test(`${logger}: ${line}`, async (t) => {
    const bytes = Buffer.from(line)
    t.equal(LEVELS[levelOfLine(bytes, 0, bytes.length)], level)
    const within = Buffer.from(`error ${line} fatal`)
    t.equal(LEVELS[levelOfLine(within, 6, within.length - 6)], level, 'the same within a larger text')
  })
}

t.test('the table has the documented size', async (t) => {
  t.ok(LEVEL_LINES.length >= 150, `${LEVEL_LINES.length} lines`)
  t.ok(new Set(LEVEL_LINES.map(([logger]) => logger)).size >= 12)
})

for (const line of CAPITAL_FORMS) {
  t.test(`an error: ${line}`, async (t) => {
    const bytes = Buffer.from(line)
    t.equal(LEVELS[levelOfLine(bytes, 0, bytes.length)], 'error')
  })
}
