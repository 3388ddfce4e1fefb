import { readFileSync } from 'node:fs'
import t from 'tap'

t.test('push-schema.ts is up to date with proto/push.proto', async (t) => {
  const script = new URL('../../../scripts/push-schema.mjs', import.meta.url)
  const { pushSchemaModule } = await import(script.href)
  const proto = readFileSync(new URL('../../../proto/push.proto', import.meta.url), 'utf8')
  const made = readFileSync(new URL('../../../src/protocol/loki/push-schema.ts', import.meta.url), 'utf8')
  t.equal(made, pushSchemaModule(proto), 'run node scripts/push-schema.mjs after a change of the .proto')
})
