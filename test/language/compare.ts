/**
 * `node test/language/compare.ts --left http://127.0.0.1:3100 --right http://loki:3100 [case files]`: reports
 * differences between two servers. The exit code is 1 if there are any, 2 if nothing could be compared.
 */

import { randomBytes } from 'node:crypto'
import { globSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { compareAnswers, formatComparison, type Side } from './comparison.ts'

const HELP = `node test/language/compare.ts --left URL --right URL [options] [case files]

  --left-header 'Name: value'    sent to the left side with every request; may be repeated
  --right-header 'Name: value'   the same for the right side
  --time 2026-11-21T12:00:00Z    the time that the cases end before; now when not given

Without case files: all of test/language/cases. Lines of a run stay where they were pushed, with the label compare_run.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    left: { type: 'string' },
    right: { type: 'string' },
    'left-header': { type: 'string', multiple: true, default: [] },
    'right-header': { type: 'string', multiple: true, default: [] },
    time: { type: 'string' },
  },
})

if (values.left === undefined || values.right === undefined) {
  console.error(HELP)
  process.exitCode = 2
} else {
  const folder = new URL('./cases/', import.meta.url).pathname
  try {
    const comparison = await compareAnswers({
      left: side(values.left, values['left-header']),
      right: side(values.right, values['right-header']),
      files: positionals.length > 0 ? positionals : globSync(`${folder}*.txt`).sort(),
      nowMs: values.time === undefined ? Date.now() : Date.parse(values.time),
      run: randomBytes(6).toString('hex'),
    })
    console.log(formatComparison(comparison))
    if (comparison.differences.length > 0) process.exitCode = 1
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 2
  }
}

function side(url: string, headers: readonly string[]): Side {
  const pairs = headers.map((header): [string, string] => {
    const at = header.indexOf(':')
    if (at < 1) throw new Error(`${header} is no header; write 'Name: value'`)
    return [header.slice(0, at), header.slice(at + 1).trim()]
  })
  return { url: url.replace(/\/$/, ''), headers: Object.fromEntries(pairs) }
}
