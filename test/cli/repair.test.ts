import t from 'tap'
import { runCli } from '../../src/cli/commands.ts'
import { type Findings, repairCommand } from '../../src/cli/repair.ts'

const WHOLE: Findings = { blocks: 1, entries: 2, losses: [], rows: [], unreadable: [], rebuilt: [], aside: [] }
const LOSS = {
  tenant: 'shop',
  blocks: 1,
  entries: 3,
  blocksUncounted: 0,
  streams: 2,
  oldest: 0n,
  newest: 1_000_000_000n,
}

async function run(argv: string[], findings: Findings) {
  const calls: unknown[] = []
  const repair = (...args: unknown[]): Findings => {
    calls.push(args)
    return findings
  }
  let text = ''
  const print = (part: string): void => {
    text += part
  }
  const stdin = (async function* () {})()
  const terminal = { stdin, isInteractive: false, out: print, note: print }
  return { code: await runCli(['repair', ...argv], [repairCommand(repair)], terminal), text, calls }
}

const ROWS: [name: string, argv: string[], findings: Partial<Findings>, code: number, text: RegExp | string][] = [
  ['nothing', [], {}, 0, '2 entries in 1 block verified\nnothing is damaged\n'],
  [
    'blocks',
    ['data'],
    { losses: [LOSS], aside: ['data/x.rows'] },
    0,
    '2 entries in 1 block verified\n' +
      'damaged of tenant "shop": 1 block, 3 entries of 2 streams, from 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z\n' +
      'set aside: data/x.rows\n',
  ],
  [
    'blocks that cannot be counted',
    [],
    { losses: [{ ...LOSS, entries: 0, blocksUncounted: 1, streams: 0 }] },
    0,
    /"shop": 1 block, 1 block with an unknown number of entries, from/,
  ],
  [
    'blocks of which nothing is known',
    [],
    { losses: [{ ...LOSS, tenant: undefined, blocks: 7 }] },
    0,
    /at most 7 blocks/,
  ],
  [
    'times of no calendar',
    [],
    { losses: [{ ...LOSS, newest: 10n ** 30n }] },
    0,
    /to 1000000000000000000000000000000 ns/,
  ],
  [
    'other rows',
    [],
    { rows: [{ file: 'incidents.db', table: 'outbox', rows: 2 }] },
    0,
    /in incidents\.db: 2 rows of the table outbox/,
  ],
  ['a file that was rebuilt', ['--check'], { rebuilt: ['millrace.db'] }, 1, /millrace\.db is inconsistent/],
  ['a file that cannot be read', ['--check'], { unreadable: ['millrace.db'] }, 1, /cannot be read at all/],
  ['nothing in a check', ['--check'], {}, 0, /nothing is damaged/],
]
for (const [name, argv, findings, code, text] of ROWS) {
  t.test(`repair that finds ${name} says so`, async (t) => {
    const result = await run(argv, { ...WHOLE, ...findings })
    t.equal(result.code, code)
    t.match(result.text, text)
    t.same(result.calls, [[argv.find((arg) => !arg.startsWith('-')), argv.includes('--check')]])
  })
}

t.test('more than one folder is wrong usage', async (t) => {
  const { code, text, calls } = await run(['a', 'b'], WHOLE)
  t.equal(code, 2)
  t.match(text, /got 2 folders; give one, or none/)
  t.same(calls, [])
})
