import { readFileSync } from 'node:fs'
import t from 'tap'
import { LEVEL_LINES } from '../domain/levels/level-lines.ts'
import { lokiLevel } from '../support/loki-level.ts'

/** A line as a table cell. */
function cell(line: string): string {
  return `\`${line.replaceAll('\u001b', '␛').replaceAll('|', '\\|')}\``
}

t.test('docs/levels.md lists each line for which Loki has another level', async (t) => {
  const wanted = LEVEL_LINES.filter(([, line, level]) => lokiLevel(line) !== level).map(
    ([logger, line, level]) => `| ${logger} | ${cell(line)} | ${lokiLevel(line)} | ${level} |`,
  )
  const doc = readFileSync('docs/levels.md', 'utf8')
  const listed = /<!-- levels -->\n[^\n]*\n[^\n]*\n([\s\S]*?)\n<!-- \/levels -->/.exec(doc)?.[1]?.split('\n') ?? []
  t.same(listed, wanted)
})

t.test('docs/levels.md says how many lines there are', async (t) => {
  const differing = LEVEL_LINES.filter(([, line, level]) => lokiLevel(line) !== level).length
  t.match(readFileSync('docs/levels.md', 'utf8'), `${LEVEL_LINES.length} lines, ${differing} of them`)
})
