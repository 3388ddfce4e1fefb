import { readFileSync } from 'node:fs'
import t from 'tap'
import { SETTINGS } from '../../src/config/settings.ts'
import {
  type BinaryOperator,
  LOG_RANGE_OPERATIONS,
  type PipelineStage,
  UNWRAPPED_RANGE_OPERATIONS,
  VECTOR_OPERATIONS,
} from '../../src/logql/parse/syntax.ts'
import { FUNCTION_NAMES } from '../../src/logql/pipeline/template/template.ts'
import { buildTestApp } from '../support/test-app.ts'

const document = readFileSync('docs/loki-compatibility.md', 'utf8')

/** The rows of the table between `<!-- name -->` and `<!-- /name -->`, as lists of cells. */
function tableRows(name: string): string[][] {
  const inside = document.split(`<!-- ${name} -->`)[1]?.split(`<!-- /${name} -->`)[0] ?? ''
  return inside
    .split('\n')
    .filter((line) => line.startsWith('|') && !line.startsWith('|---'))
    .slice(1)
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
}

const column = (name: string, index: number): string[] => tableRows(name).map((cells) => cells[index] ?? '')

/** The texts between back-quotes. */
const codes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)

/** The keys of a record, which the compiler checks for completeness. */
const STAGES: Record<PipelineStage['kind'], true> = {
  line_filter: true,
  json: true,
  logfmt: true,
  regexp: true,
  pattern: true,
  unpack: true,
  label_filter: true,
  line_format: true,
  label_format: true,
  decolorize: true,
  drop: true,
  keep: true,
}
const OPERATORS: Record<BinaryOperator, true> = {
  ...{ '+': true, '-': true, '*': true, '/': true, '%': true, '^': true },
  ...{ '==': true, '!=': true, '>': true, '>=': true, '<': true, '<=': true },
  ...{ and: true, or: true, unless: true },
}

t.test('every endpoint of the gateway is listed, and no other', async (t) => {
  const { app } = await buildTestApp(t)
  const { paths: described } = (await app.inject('/openapi.json')).json<{ paths: Record<string, object> }>()
  const paths = Object.entries(described)
  const served = paths.flatMap(([path, methods]) => Object.keys(methods).map((name) => `${name.toUpperCase()} ${path}`))
  const listed = column('endpoints', 0).flatMap((cell) => {
    const [, methods = '', path = ''] = /^`([A-Z, ]+) (\/\S*)`$/.exec(cell) ?? []
    return methods.split(', ').map((method) => `${method} ${path}`)
  })
  t.ok(served.length > 40, 'the document of the application has its routes')
  t.strictSame(listed.sort(), served.sort())
})

t.test('endpoints documented as missing are missing', async (t) => {
  const { app } = await buildTestApp(t)
  const missing = codes(/\*\*Missing\*\* \(404\):[^.]*\./.exec(document)?.[0] ?? '')
  t.ok(missing.length > 5)
  for (const endpoint of missing) {
    const [, method = 'GET', url = ''] = /^(?:([A-Z]+) )?(\S+)$/.exec(endpoint) ?? []
    t.equal((await app.inject({ method: method as 'GET' | 'POST', url })).statusCode, 404, endpoint)
  }
})

t.test('every endpoint says how it compares', async (t) => {
  for (const [endpoint = '', state = '', remark = ''] of tableRows('endpoints')) {
    t.ok(['same', 'better', 'part', 'own'].includes(state), `${endpoint}: ${state}`)
    if (state === 'part' || state === 'better') t.not(remark, '', `${endpoint} says what differs`)
  }
})

t.test('every stage of a pipeline is listed, and no other', async (t) => {
  t.strictSame(column('stages', 0).flatMap(codes).sort(), Object.keys(STAGES).sort())
})

t.test('every aggregation over a range is listed, and which of them take unwrapped values', async (t) => {
  const logs: readonly string[] = LOG_RANGE_OPERATIONS
  const unwrapped: readonly string[] = UNWRAPPED_RANGE_OPERATIONS
  const shown = (name: string): string => {
    if (!unwrapped.includes(name)) return ''
    return logs.includes(name) ? 'also unwrapped' : 'unwrapped'
  }
  t.strictSame(
    tableRows('range operations')
      .map(([name = '', over = '']) => `${codes(name).join()} ${over}`)
      .sort(),
    [...new Set([...logs, ...unwrapped])].map((name) => `${name} ${shown(name)}`).sort(),
  )
})

t.test('every aggregation over series is listed, and no other', async (t) => {
  t.strictSame(column('vector operations', 0).flatMap(codes).sort(), [...VECTOR_OPERATIONS].sort())
})

t.test('every operator is listed, and no other', async (t) => {
  t.strictSame(column('operators', 0).flatMap(codes).sort(), Object.keys(OPERATORS).sort())
})

t.test('every function of templates is listed, and no other', async (t) => {
  t.strictSame(column('functions', 1).flatMap(codes).sort(), [...FUNCTION_NAMES].sort())
})

t.test('every limit is listed with its default, and no other', async (t) => {
  const limits = [...Object.values(SETTINGS.push.limits), ...Object.values(SETTINGS.query)]
  t.strictSame(
    tableRows('limits').map(([variable = '', initial = '']) => `${codes(variable).join()} ${codes(initial).join()}`),
    limits.map(({ variable, kind, default: initial }) => {
      // Each kind formats its own values; the list loses the relation between a kind and its default.
      const format = kind.format as (value: unknown) => string
      return `${variable} ${format(initial)}`
    }),
  )
})
