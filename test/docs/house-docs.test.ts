import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import t from 'tap'

const read = (path: string) => readFileSync(path, 'utf8')

t.test('the index of decisions lists every page, once and in order', async (t) => {
  const pages = globSync('docs/decisions/*.md').map((path) => basename(path))
  const wanted = pages.filter((name) => name !== 'README.md').sort()
  const listed = [...read('docs/decisions/README.md').matchAll(/^\| \[([a-z0-9-]+)\]\(([a-z0-9-]+\.md)\)/gm)]
  t.strictSame(
    listed.map(([, , file]) => file),
    wanted,
  )
  t.ok(
    listed.every(([, name, file]) => `${name}.md` === file),
    'the name is that of the page',
  )
})

t.test('the glossary has each word once', async (t) => {
  const words = [...read('docs/glossary.md').matchAll(/^\| ([a-z][a-z ()-]*) \|/gm)]
    .map(([, word]) => word)
    .filter((word) => word !== 'word')
  t.ok(words.length > 40)
  t.equal(new Set(words).size, words.length)
})

for (const document of ['docs/architecture.md', ...globSync('docs/decisions/*.md')]) {
  t.test(`${document} names only files and folders that exist`, async (t) => {
    const files = globSync('{src,test,scripts}/**/*.{ts,mjs}')
    const named = [...read(document).matchAll(/`([a-z0-9/-]+\.(?:test\.)?(?:ts|mjs))`/g)].map(([, name]) => name ?? '')
    for (const name of named)
      t.ok(
        files.some((file) => file === name || file.endsWith(`/${name}`)),
        name,
      )
    const folders = [
      ...read(document).matchAll(
        /`((?:kit|domain|logql|protocol|flows|adapters|transport|telemetry|homes|processes)\/[a-z/]+)`/g,
      ),
    ]
    for (const [, name = ''] of folders) t.not(globSync(`src/${name}/*`).length, 0, name)
  })
}

t.test('.nvmrc names the Node that package.json pins', async (t) => {
  const { optionalDependencies } = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> }
  t.strictSame([...new Set(Object.values(optionalDependencies))], [read('.nvmrc').trim()])
})
