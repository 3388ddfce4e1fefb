import { renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type LimitsEvents, LimitsFile } from '../../../src/adapters/files/limits-file.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import { type Limits, PUSH_LIMITS, QUERY_LIMITS } from '../../../src/domain/limits.ts'
import { NEVER } from '../../../src/kit/repeat.ts'
import { testFolder } from '../../support/test-folder.ts'

const BASE: Limits = { push: PUSH_LIMITS, query: QUERY_LIMITS }

/** A simple format, one `tenant=entries` per line; the JSON format is tested with its parser. */
function parse(text: string): Map<string, Limits> {
  const lines = text.split('\n').map((line) => line.split('='))
  return new Map(
    lines.map(([tenant = '', entries]) => {
      if (Number.isNaN(Number(entries))) throw new GatewayError('config_invalid', `no number: ${entries}`)
      return [tenant, { ...BASE, query: { ...QUERY_LIMITS, entriesMax: Number(entries) } }]
    }),
  )
}

class RecordedEvents implements LimitsEvents {
  readonly texts: string[] = []

  limitsChanged(tenants: number): void {
    this.texts.push(`changed ${tenants}`)
  }

  limitsRefused(cause: unknown): void {
    this.texts.push(String((cause as GatewayError).message.split(': ').at(-1)))
  }
}

function open(t: Test, text: string) {
  const path = join(testFolder(t, { limits: text }), 'limits')
  const events = new RecordedEvents()
  const file = new LimitsFile({ repeat: NEVER, path, parse, base: BASE, events })
  t.teardown(() => file.close())
  let writes = 0
  return {
    file,
    path,
    events,
    /** Replaces the file like editors do, so that fast successive writes are detected. */
    write: (text: string): void => {
      writeFileSync(`${path}.${writes}`, text)
      renameSync(`${path}.${writes++}`, path)
    },
    entriesOf: (tenant: string) => file.of(tenant).query.entriesMax,
  }
}

t.test('a tenant has the limits in the file, others the base limits', async (t) => {
  const { entriesOf, file } = open(t, 'a=1\n__proto__=2')
  t.strictSame(['a', '__proto__', 'b'].map(entriesOf), [1, 2, QUERY_LIMITS.entriesMax])
  t.equal(file.of('b'), BASE)
})

t.test('a changed file is reloaded, an unchanged one is not', async (t) => {
  const { file, entriesOf, write, events } = open(t, 'a=1')
  await file.check()
  t.strictSame(events.texts, [])
  write('a=3\nb=4')
  t.strictSame(['a', 'b'].map(entriesOf), [1, QUERY_LIMITS.entriesMax], 'before the check')
  await file.check()
  t.strictSame(['a', 'b'].map(entriesOf), [3, 4])
  await file.check()
  t.strictSame(events.texts, ['changed 2'])
})

t.test('an invalid change keeps the previous limits, is reported once, and can be corrected', async (t) => {
  const { file, entriesOf, write, events } = open(t, 'a=1')
  write('a=many')
  await file.check()
  await file.check()
  t.equal(entriesOf('a'), 1)
  t.strictSame(events.texts, ['many'])
  write('a=2')
  await file.check()
  t.equal(entriesOf('a'), 2)
  write('a=many')
  await file.check()
  t.strictSame(events.texts, ['many', 'changed 1', 'many'])
})

t.test('a deleted file keeps the previous limits, and can come back', async (t) => {
  const { file, entriesOf, path, write, events } = open(t, 'a=1')
  rmSync(path)
  await file.check()
  await file.check()
  t.equal(entriesOf('a'), 1)
  t.equal(events.texts.length, 1)
  t.match(events.texts[0], /cannot be read \(ENOENT\)/)
  write('a=5')
  await file.check()
  t.equal(entriesOf('a'), 5)
})

t.test('a file that grows too large is not read', async (t) => {
  const { file, entriesOf, path, events } = open(t, 'a=1')
  truncateSync(path, 17 * 1024 * 1024)
  await file.check()
  t.equal(entriesOf('a'), 1)
  t.match(events.texts, [/has 17825792 bytes; the limit is/])
})

const REFUSED: readonly (readonly [name: string, text: string | undefined, fault: RegExp])[] = [
  ['a faulty file', 'a=x', /MILLRACE_TENANT_LIMITS_FILE: ".*limits": no number: x/],
  ['no file', undefined, /cannot be read \(ENOENT\); correct the path/],
]
for (const [name, text, fault] of REFUSED) {
  t.test(`does not start with ${name}`, async (t) => {
    const path = join(testFolder(t, text === undefined ? {} : { limits: text }), 'limits')
    const make = () => new LimitsFile({ repeat: NEVER, path, parse, base: BASE, events: new RecordedEvents() })
    t.throws(make, { code: 'config_invalid', message: fault })
  })
}
