import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { RulesFile, type RulesFileParts } from '../../../src/adapters/files/rules-file.ts'
import { NEVER } from '../../../src/kit/repeat.ts'
import { testFolder } from '../../support/test-folder.ts'

const NO_CHECKS = { expr: () => undefined, template: () => undefined }

function fileOf(name: string): string {
  return `groups:\n  - name: ${name}\n    rules:\n      - alert: A\n        expr: '1'\n`
}

class Folder {
  readonly path: string
  readonly changes: number[] = []
  readonly refusals: string[] = []
  #writes = 0

  constructor(t: Test) {
    this.path = testFolder(t)
  }

  /** Each write changes the size, because file system clocks are coarse. */
  write(name: string, text: string): void {
    mkdirSync(dirname(join(this.path, name)), { recursive: true })
    writeFileSync(join(this.path, name), `${text}#${'.'.repeat(++this.#writes)}\n`)
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { recursive: true })
  }

  open(t: Test, name = '', changes: Partial<RulesFileParts> = {}): RulesFile {
    const rules = new RulesFile({
      repeat: NEVER,
      path: join(this.path, name),
      defaultTenant: 'fake',
      intervalMs: 60_000,
      checksOf: () => NO_CHECKS,
      events: {
        rulesChanged: (groups) => this.changes.push(groups),
        rulesRefused: (cause) => this.refusals.push((cause as Error).message.replaceAll(this.path, '')),
      },
      faultyStart: 'throw',
      ...changes,
    })
    t.teardown(() => rules.close())
    return rules
  }
}

function namesOf(rules: RulesFile): string[] {
  return rules.list().map(({ tenant, namespace, name }) => `${tenant} ${namespace} ${name}`)
}

t.test('a single file is for the default tenant', async (t) => {
  const folder = new Folder(t)
  folder.write('rules.yaml', fileOf('one'))
  t.strictSame(namesOf(folder.open(t, 'rules.yaml')), ['fake rules.yaml one'])
})

t.test('a folder has a folder for each tenant, and other files are ignored', async (t) => {
  const folder = new Folder(t)
  folder.write('b/shop.yml', fileOf('two'))
  folder.write('a/shop.yaml', fileOf('one'))
  folder.write('a/README.md', 'no yaml: [')
  folder.write('README.md', 'no yaml: [')
  folder.write('..data/shop.yaml', 'no yaml: [')
  t.strictSame(namesOf(folder.open(t)), ['a shop.yaml one', 'b shop.yml two'])
})

t.test('new, changed and deleted files take effect at the next check', async (t) => {
  const folder = new Folder(t)
  folder.write('a/one.yaml', fileOf('one'))
  const rules = folder.open(t)
  const before = rules.list()
  rules.check()
  t.equal(rules.list(), before, 'nothing changed')
  folder.write('a/one.yaml', fileOf('changed'))
  folder.write('b/two.yaml', fileOf('two'))
  rules.check()
  t.strictSame(namesOf(rules), ['a one.yaml changed', 'b two.yaml two'])
  folder.remove('a')
  rules.check()
  t.strictSame(namesOf(rules), ['b two.yaml two'])
  t.strictSame(folder.changes, [2, 1])
})

t.test('an invalid change of a file keeps its previous rules, and is reported once', async (t) => {
  const folder = new Folder(t)
  folder.write('a/one.yaml', fileOf('one'))
  folder.write('a/two.yaml', fileOf('two'))
  const rules = folder.open(t)
  folder.write('a/one.yaml', 'groups:\n  - nam: x\n')
  folder.write('a/two.yaml', fileOf('changed'))
  rules.check()
  rules.check()
  t.strictSame(namesOf(rules), ['a one.yaml one', 'a two.yaml changed'])
  t.equal(folder.refusals.length, 1)
  t.match(folder.refusals[0], /^MILLRACE_RULES: ".*one\.yaml": the rules are invalid:\n {2}line 2, column 5: .*nam/)
  folder.write('a/one.yaml', fileOf('better'))
  rules.check()
  t.strictSame(namesOf(rules), ['a one.yaml better', 'a two.yaml changed'])
})

t.test('a file that became too large does not block the others, and is reported once', async (t) => {
  const folder = new Folder(t)
  folder.write('a/one.yaml', fileOf('one'))
  folder.write('a/two.yaml', fileOf('two'))
  const rules = folder.open(t)
  folder.write('a/one.yaml', '#'.repeat(2 * 1024 * 1024))
  rules.check()
  folder.write('a/two.yaml', fileOf('three'))
  rules.check()
  t.strictSame(namesOf(rules), ['a one.yaml one', 'a two.yaml three'])
  t.equal(folder.refusals.length, 1)
  t.match(folder.refusals[0], /a\/one\.yaml.*the limit is 1048576/)
})

t.test('a deleted folder keeps all rules, and is reported once', async (t) => {
  const folder = new Folder(t)
  folder.write('rules/a/one.yaml', fileOf('one'))
  const rules = folder.open(t, 'rules')
  folder.remove('rules')
  rules.check()
  rules.check()
  t.strictSame(namesOf(rules), ['a one.yaml one'])
  t.match(folder.refusals, [/cannot be read \(ENOENT\)/])
  t.equal(folder.refusals.length, 1)
})

t.test('the start reports the faults of all files', async (t) => {
  const folder = new Folder(t)
  folder.write('a/one.yaml', 'groups: [x')
  folder.write('b/two.yaml', 'group: []')
  t.throws(() => folder.open(t), { code: 'config_invalid', message: /one\.yaml(.|\n)*two\.yaml/ })
})

t.test(
  'a start that only reports faults lists nothing until all files are valid, and reports each fault once',
  async (t) => {
    const folder = new Folder(t)
    folder.write('a/one.yaml', fileOf('one'))
    folder.write('b/two.yaml', 'groups: [secret')
    const rules = folder.open(t, '', { faultyStart: 'report' })
    const refused = { code: 'config_invalid', message: /^the alert rule files are invalid; see the log/ }
    t.throws(() => rules.list(), refused)
    rules.check()
    t.throws(() => rules.list(), refused)
    t.match(folder.refusals, [/two\.yaml/])
    t.equal(folder.refusals.length, 1)
    folder.write('b/two.yaml', 'groups: 7')
    rules.check()
    t.equal(folder.refusals.length, 2, 'another fault is reported too')
    folder.write('b/two.yaml', fileOf('two'))
    rules.check()
    t.strictSame(namesOf(rules), ['a one.yaml one', 'b two.yaml two'])
    t.strictSame(folder.changes, [2])
    folder.write('b/two.yaml', 'groups: [x')
    rules.check()
    t.strictSame(namesOf(rules), ['a one.yaml one', 'b two.yaml two'], 'later faults leave the rules as they were')
  },
)

t.test('a start that only reports faults continues without the folder', async (t) => {
  const folder = new Folder(t)
  const rules = folder.open(t, 'rules', { faultyStart: 'report' })
  t.throws(() => rules.list(), { code: 'config_invalid' })
  folder.write('rules/a/one.yaml', fileOf('one'))
  rules.check()
  t.strictSame(namesOf(rules), ['a one.yaml one'])
})

const REFUSED: readonly (readonly [name: string, file: string, text: string, message: RegExp])[] = [
  ['a file outside the folders of tenants', 'one.yaml', fileOf('one'), /is not in the folder of a tenant/],
  ['a folder whose name is not a valid tenant', 'a b/one.yaml', fileOf('one'), /is not a valid tenant id/],
  ['a file that is too large', 'a/one.yaml', '#'.repeat(1024 * 1024 + 1), /the limit is 1048576; split it/],
]
for (const [name, file, text, message] of REFUSED) {
  t.test(`${name} is rejected`, async (t) => {
    const folder = new Folder(t)
    folder.write(file, text)
    t.throws(() => folder.open(t), { code: 'config_invalid', message })
  })
}

t.test('a missing path is rejected', async (t) => {
  t.throws(() => new Folder(t).open(t, 'nowhere'), { code: 'config_invalid', message: /cannot be read \(ENOENT\)/ })
})

t.test('a file needs a default tenant', async (t) => {
  const folder = new Folder(t)
  folder.write('one.yaml', fileOf('one'))
  const open = (): unknown => folder.open(t, 'one.yaml', { defaultTenant: undefined })
  t.throws(open, { code: 'config_invalid', message: /but there is none; use a folder/ })
})
