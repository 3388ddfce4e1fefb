import t from 'tap'
import { Random } from '../support/random.ts'
import { CUT_MODES, Disk } from './disk.ts'
import type { Kind, Operation } from './journal.ts'

const PAGE = 4096

type Step = [kind: Kind, path: string, more?: Partial<Operation>]

/** Operations from plain values; a file's inode is the first letter of its first name. */
function operations(...steps: readonly Step[]): Operation[] {
  return steps.map(([kind, path, more], i) => ({
    kind,
    path,
    error: 0,
    inode: path.charCodeAt(0) || 0,
    offset: 0,
    other: '',
    bytes: Buffer.alloc(0),
    isCreated: kind === 'open',
    end: i + 1,
    ...more,
  }))
}

const write = (path: string, text: string, offset = 0): Step => ['write', path, { offset, bytes: Buffer.from(text) }]

function made(...steps: readonly Step[]): Disk {
  const disk = new Disk(new Random(1))
  disk.apply(operations(...steps))
  return disk
}

const files = (disk: Disk): Record<string, string> =>
  Object.fromEntries([...disk.files()].map(([path, content]) => [path, content.toString()]))

const SAVED: Step[] = [['open', 'a'], write('a', 'old'), ['sync', 'a'], ['sync-folder', '']]

const CASES: [name: string, steps: Step[], none: Record<string, string>, all: Record<string, string>][] = [
  ['a synced file in a synced folder stays', SAVED, { a: 'old' }, { a: 'old' }],
  ['a synced file whose name is not synced is gone', SAVED.slice(0, 3), {}, { a: 'old' }],
  [
    'a name that is synced before its content is an empty file',
    [['open', 'a'], write('a', 'x'), ['sync-folder', '']],
    { a: '' },
    { a: 'x' },
  ],
  ['what is written after the sync is lost', [...SAVED, write('a', 'new')], { a: 'old' }, { a: 'new' }],
  ['what is appended after the sync is lost', [...SAVED, write('a', 'more', 3)], { a: 'old' }, { a: 'oldmore' }],
  ['a truncation that is not synced is lost', [...SAVED, ['truncate', 'a', { offset: 1 }]], { a: 'old' }, { a: 'o' }],
  ['a rename that is not synced is lost', [...SAVED, ['rename', 'a', { other: 'b' }]], { a: 'old' }, { b: 'old' }],
  [
    'a rename over a file replaces it',
    [...SAVED, ['open', 'b'], write('b', 'new'), ['sync', 'b'], ['rename', 'b', { other: 'a' }], ['sync-folder', '']],
    { a: 'new' },
    { a: 'new' },
  ],
  ['an unlink that is not synced is undone', [...SAVED, ['unlink', 'a']], { a: 'old' }, {}],
  [
    'a link is the same file',
    [...SAVED, ['link', 'a', { other: 'b' }], ['sync-folder', ''], write('a', 'new'), ['sync', 'a']],
    { a: 'new', b: 'new' },
    { a: 'new', b: 'new' },
  ],
  [
    'an unsynced folder is lost with its contents',
    [
      ['mkdir', 'd'],
      ['open', 'd/a'],
      ['sync', 'd/a', { inode: 100 }],
      ['sync-folder', 'd'],
    ],
    {},
    { 'd/a': '' },
  ],
  ['an operation that failed did nothing', [...SAVED, ['unlink', 'a', { error: 13 }]], { a: 'old' }, { a: 'old' }],
  [
    'a sync of an open file without a name is harmless',
    [...SAVED, ['unlink', 'a'], write('a', 'x'), ['sync', 'a'], ['sync-folder', '']],
    {},
    {},
  ],
]
for (const [name, steps, none, all] of CASES) {
  t.test(name, async (t) => {
    const disk = made(...steps)
    t.same(files(disk.cut('none', new Random(1))), none, 'after a loss of power, at worst')
    t.same(files(disk.cut('all', new Random(1))), all, 'after a kill')
    t.same(files(disk), all, 'as a process sees it')
    t.same(files(disk.clone()), all, 'and its copy')
    for (const mode of CUT_MODES) {
      const cut = disk.cut(mode, new Random(2))
      t.same(files(cut.cut('none', new Random(1))), files(cut), `after a loss of power (${mode}) nothing is pending`)
    }
  })
}

t.test('each unsynced page may be on disk, as it was at any time', async (t) => {
  const letters = (letter: string): string => letter.repeat(PAGE)
  const disk = made(
    ['open', 'a'],
    write('a', letters('a') + letters('a')),
    ['sync', 'a'],
    ['sync-folder', ''],
    write('a', letters('b')),
    write('a', letters('c') + letters('c')),
  )
  const seen = { subset: new Set<string>(), torn: new Set<string>(), prefix: new Set<string>() }
  for (let seed = 0; seed < 200; seed++) {
    for (const mode of ['subset', 'torn', 'prefix'] as const) {
      seen[mode].add(files(disk.cut(mode, new Random(seed)))['a']?.replaceAll(/(.)\1*/g, '$1') as string)
    }
  }
  t.same([...seen.prefix].sort(), ['a', 'ba', 'c'], 'prefix: a moment of the past')
  t.same([...seen.subset].sort(), ['a', 'ac', 'ba', 'bc', 'c', 'ca'], 'subset: page by page')
  t.ok(seen.torn.size > 50, 'torn: sector by sector')
})

t.test('a truncation is on disk completely or not at all', async (t) => {
  const disk = made(
    ['open', 'a'],
    write('a', 'a'.repeat(3 * PAGE)),
    ['sync', 'a'],
    ['sync-folder', ''],
    ['truncate', 'a', { offset: 0 }],
    write('a', 'b'.repeat(PAGE)),
  )
  const seen = new Set<string>()
  for (let seed = 0; seed < 100; seed++) {
    const content = files(disk.cut('subset', new Random(seed)))['a'] as string
    seen.add(`${content.length / PAGE} ${content.replaceAll(/(.)\1*/gs, '$1').replaceAll('\0', '0')}`)
  }
  t.same([...seen].sort(), ['0 ', '1 0', '1 b', '3 a'], 'never a part of what was cut off')
})

t.test('pages of a failed fsync are lost or written, unless they are written again', async (t) => {
  const text = 'x'.repeat(PAGE)
  const failed: Step[] = [
    ['open', 'a'],
    ['sync', 'a'],
    ['sync-folder', ''],
    write('a', text),
    ['sync', 'a', { error: 5 }],
  ]
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 20; seed++) {
    const disk = new Disk(new Random(seed))
    disk.apply(operations(...failed, ['sync', 'a']))
    outcomes.add(files(disk.cut('none', new Random(1)))['a']?.slice(0, 1) as string)
    t.same(files(disk)['a'], text, 'while it is read from memory')
    disk.apply(operations(write('a', text), ['sync', 'a']))
    t.equal(files(disk.cut('none', new Random(1)))['a'], text)
  }
  t.same([...outcomes].sort(), ['\0', 'x'])
})

t.test('a journal with an operation on an unknown file is an error', async (t) => {
  t.throws(() => made(write('a', 'x')), /did not open: a/)
  t.throws(() => made(['open', 'd/a']), /folder that is not there: 'd'/)
})
