import Fastify from 'fastify'
import t from 'tap'
import { compilersFactory } from '../../../src/transport/http/schemas.ts'

t.test('a route with a response schema returns objects, arrays and texts unchanged', async (t) => {
  const app = Fastify({ schemaController: { compilersFactory } })
  const response = { 200: { type: 'object', properties: { a: { type: 'string' } } } }
  const rows: readonly [path: string, answer: unknown, body: string][] = [
    ['/object', { a: 'x', b: [1, { c: null }] }, '{"a":"x","b":[1,{"c":null}]}'],
    ['/array', [1, 'two'], '[1,"two"]'],
    ['/text', '{"already":"written"}', '{"already":"written"}'],
  ]
  for (const [path, answer] of rows) app.get(path, { schema: { response } }, async () => answer)
  for (const [path, , body] of rows) t.equal((await app.inject(path)).body, body, path)
})
