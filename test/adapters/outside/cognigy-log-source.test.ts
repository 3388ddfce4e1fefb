import t from 'tap'
import { CognigyLogSource } from '../../../src/adapters/outside/cognigy-log-source.ts'
import type { SourcePage } from '../../../src/ports/sources.ts'
import type { CognigyPage } from '../../../src/protocol/sources/cognigy-logs.ts'
import { PROJECT, type SourceParts, startSource } from '../../cognigy/source-parts.ts'

const MINUTE = 60_000

const readPages = async (
  { source, budget }: SourceParts,
  fromMs: number,
  options: { requests?: number; resume?: string } = {},
): Promise<SourcePage[]> => {
  const pages: SourcePage[] = []
  const request = { project: PROJECT, fromMs, resume: options.resume, requests: budget(options.requests) }
  for await (const page of source.read(request)) pages.push(page)
  return pages
}

const idsOf = (pages: readonly SourcePage[]) => pages.flatMap(({ entries }) => entries.map(({ id }) => id))

/** Entries `everyMs` apart, the last one now. */
const fill = ({ fake, clock }: SourceParts, count: number, everyMs: number): string[] =>
  Array.from({ length: count }, (_, i) => fake.add(PROJECT.id, { ms: clock.ms - (count - 1 - i) * everyMs })._id)

t.test('walks forward from a time to the end', async (t) => {
  const parts = await startSource(t)
  const ids = fill(parts, 450, 1000)
  const pages = await readPages(parts, parts.clock.ms - 349_000)
  t.same(idsOf(pages), ids.slice(100), 'from that time on, each once')
  t.same(
    pages.map(({ isLast }) => isLast),
    [false, false, false, true],
  )
  t.ok(pages.every(({ direction }) => direction === 'forward'))
  t.same(parts.backward, [])
})

for (const cursor of ['position', 'id'] as const) {
  t.test(`misses nothing if many entries share a millisecond (cursor: ${cursor})`, async (t) => {
    const parts = await startSource(t, { cursor })
    const ids = new Set([...fill(parts, 50, 1000), ...fill(parts, 250, 0), ...fill(parts, 130, 3)])
    t.same(new Set(idsOf(await readPages(parts, 0))), ids)
  })

  t.test(`misses nothing if ids and times have different orders (cursor: ${cursor})`, async (t) => {
    const parts = await startSource(t, { cursor })
    const ids = new Set<string>()
    for (let i = 0; i < 600; i++) {
      ids.add(parts.fake.add(PROJECT.id, { ms: parts.clock.ms - ((i * 7919) % 600) * 10 })._id)
    }
    t.same(new Set(idsOf(await readPages(parts, 0))), ids)
  })
}

t.test('entries that arrive during the walk do not affect it', async (t) => {
  const parts = await startSource(t)
  const ids = fill(parts, 350, 1000)
  parts.fake.options = {
    ...parts.fake.options,
    onRequest: () => {
      parts.fake.add(PROJECT.id, { ms: parts.clock.ms })
      parts.fake.add(PROJECT.id, { ms: parts.clock.ms - 300_000 })
    },
  }
  const seen = new Set(idsOf(await readPages(parts, 0)))
  t.ok(ids.every((id) => seen.has(id)))
})

t.test('stops when the budget is spent, without marking the page as last', async (t) => {
  const parts = await startSource(t)
  const ids = fill(parts, 450, 1000)
  const pages = await readPages(parts, 0, { requests: 2 })
  t.notOk(pages.some(({ isLast }) => isLast))
  t.same(idsOf(pages), ids.slice(0, idsOf(pages).length))
})

const DEAF = [
  ['neither sort nor startDate', { honoursSort: false, honoursStartDate: false }],
  ['no startDate', { honoursStartDate: false }],
] as const

for (const [name, options] of DEAF) {
  t.test(`reads backward if the server supports ${name}`, async (t) => {
    const parts = await startSource(t, options)
    const ids = fill(parts, 450, 1000)
    const pages = await readPages(parts, parts.clock.ms - 249_000)
    t.same(new Set(idsOf(pages)).size, idsOf(pages).length)
    t.ok(
      ids.slice(200).every((id) => idsOf(pages).includes(id)),
      'all of the range',
    )
    t.ok(idsOf(pages).length < 450, 'and not everything')
    t.same(parts.backward, ['demo'], 'reported once')
    await readPages(parts, parts.clock.ms - MINUTE)
    t.same(parts.backward, ['demo'])
  })
}

t.test('a backward walk resumes where it stopped, even if that row is gone', async (t) => {
  const parts = await startSource(t, { honoursSort: false, honoursStartDate: false })
  const ids = fill(parts, 350, 1000)
  const first = await readPages(parts, 0, { requests: 3 })
  const resume = first.at(-1)?.resume as string
  const rest = await readPages(parts, 0, { resume })
  t.same(new Set([...idsOf(first), ...idsOf(rest)]), new Set(ids))
  t.equal(rest.at(-1)?.isLast, true)
  const again = await readPages(parts, 0, { resume: 'ffffffffffffffffffffffff' })
  t.same(new Set(idsOf(again)), new Set(ids), 'restarts at the newest entry')
})

t.test('requests smaller pages if a page is too large', async (t) => {
  const parts = await startSource(t, {}, { bodyBytesMax: 20_000 })
  for (let i = 0; i < 60; i++) parts.fake.add(PROJECT.id, { ms: parts.clock.ms - i * 100, msg: 'x'.repeat(800) })
  t.equal(new Set(idsOf(await readPages(parts, 0))).size, 60)
  parts.fake.add(PROJECT.id, { ms: parts.clock.ms - 7000, msg: 'x'.repeat(30_000) })
  await t.rejects(readPages(parts, 0), { code: 'body_too_large' })
})

t.test('pages that are not consecutive are an error', async (t) => {
  const entry = (second: number) => ({
    id: `id-${second}`,
    timestampMs: second * 1000,
    level: 'info',
    line: '',
    metadata: [],
    json: '{}',
  })
  const read = async (pages: readonly CognigyPage[]) => {
    const left = [...pages]
    const getPage = async () => left.shift() ?? { entries: [], unreadable: 0, next: undefined }
    const source = new CognigyLogSource({ getPage })
    const requests = { take: () => true, untilMs: 0 }
    for await (const _page of source.read({ project: PROJECT, fromMs: 0, requests }));
  }
  const unsorted = [
    { entries: [entry(1), entry(2)], unreadable: 0, next: 'a' },
    { entries: [entry(9), entry(3)], unreadable: 0, next: 'b' },
  ]
  await t.rejects(read(unsorted), { code: 'source_unavailable', message: /not sorted/ })
  const circle = Array.from({ length: 5 }, () => ({ entries: [entry(2), entry(1)], unreadable: 0, next: 'a' }))
  await t.rejects(read(circle), { code: 'source_unavailable', message: /same cursor twice/ })
})
