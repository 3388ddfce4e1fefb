// Writes src/protocol/loki/push-schema.ts from proto/push.proto: run it after a change of the latter.
// The schema lives in a module so that a bundled gateway needs no file beside it.
import { readFileSync, writeFileSync } from 'node:fs'
import protobuf from 'protobufjs'

const root = new URL('..', import.meta.url)
const target = new URL('src/protocol/loki/push-schema.ts', root)

/** The module's text for a schema in the language of .proto files. */
export function pushSchemaModule(proto) {
  const { root: schema } = protobuf.parse(proto, { keepCase: true })
  const json = toLiteral(schema.toJSON(), 0)
  return `/** proto/push.proto as protobufjs reads it. Made by scripts/push-schema.mjs; do not edit. */

export const PUSH_SCHEMA = ${json}
`
}

/** JSON in the house's style of TypeScript. */
function toLiteral(value, depth) {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value !== 'object') return String(value)
  const fields = Object.entries(value).map(([name, field]) => [name, toLiteral(field, depth + 1)])
  if (fields.length === 0) return '{}'
  const indent = '  '.repeat(depth + 1)
  const lines = fields.map(([name, text]) => `${indent}${name}: ${text},\n`)
  return `{\n${lines.join('')}${'  '.repeat(depth)}}`
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(target, pushSchemaModule(readFileSync(new URL('proto/push.proto', root), 'utf8')))
}
