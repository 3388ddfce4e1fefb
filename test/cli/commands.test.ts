import { scryptSync } from 'node:crypto'
import t from 'tap'
import { type Command, runCli } from '../../src/cli/commands.ts'
import { hashPasswordCommand } from '../../src/cli/hash-password.ts'
import { serveCommand } from '../../src/cli/serve.ts'
import { type TokenMaker, tokenCommand } from '../../src/cli/token.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { parsePasswordHash } from '../../src/domain/password-hash.ts'

const COST = { n: 1024, r: 8, p: 1 }

/** Runs the real commands with fake dependencies. */
async function run(argv: string[], { stdin = [] as (string | Uint8Array)[], isTaken = true } = {}) {
  const orders: unknown[] = []
  const maker: TokenMaker = {
    isTaken,
    sign: (order) => {
      orders.push(order)
      return 'the.token.text'
    },
  }
  const broken: Command = {
    name: 'broken',
    summary: 'Fails.',
    usage: 'millrace broken',
    run: async () => {
      throw new GatewayError('config_invalid', 'a setting is wrong')
    },
  }
  const commands = [serveCommand(async () => 0), tokenCommand(() => maker), hashPasswordCommand(COST), broken]
  let out = ''
  let notes = ''
  const code = await runCli(argv, commands, {
    stdin: (async function* () {
      for (const chunk of stdin) yield Buffer.from(chunk as string)
    })(),
    isInteractive: false,
    out: (text) => {
      out += text
    },
    note: (text) => {
      notes += text
    },
  })
  return { code, out, notes, orders }
}

/** [arguments, exit code, stdout, stderr] */
const ROWS: [string[], number, RegExp, RegExp][] = [
  [[], 0, /^Usage: millrace <command>[\s\S]*serve +Starts[\s\S]*hash-password/, /^$/],
  [['help'], 0, /^Usage: millrace <command>/, /^$/],
  [['--help'], 0, /^Usage: millrace <command>/, /^$/],
  [['help', 'token'], 0, /Usage: millrace token --subject NAME/, /^$/],
  [['token', '--help'], 0, /Usage: millrace token --subject NAME/, /^$/],
  [['help', 'tokn'], 2, /^$/, /unknown command "tokn"; did you mean "token"\?/],
  [['sevre'], 2, /^$/, /unknown command "sevre"; did you mean "serve"\?[\s\S]*Usage: millrace/],
  [['frobnicate'], 2, /^$/, /unknown command "frobnicate"\n/],
  [['serve'], 0, /^$/, /^$/],
  [['serve', '--port', '1'], 2, /^$/, /millrace serve: .*--port[\s\S]*Usage: millrace serve/],
  [['token'], 2, /^$/, /--subject must be a name/],
  [['token', '--subject', ''], 2, /^$/, /--subject must be a name/],
  [['token', '--subject', 'a', 'b'], 2, /^$/, /Usage: millrace token/],
  [['token', '--subject', 'a', '--expires', '60'], 2, /^$/, /--expires "60" is not a duration/],
  [['token', '--subject', 'a', '--expires', '4000d'], 2, /^$/, /--expires "4000d" is not a duration/],
  [['token', '--subject', 'a', '--tenant', 'a|b'], 2, /^$/, /--tenant: tenant id has several/],
  [['token', '--subject', 'a'], 0, /^the\.token\.text\n$/, /^$/],
  [['broken'], 1, /^$/, /^millrace broken: a setting is wrong\n$/],
]
for (const [argv, code, out, notes] of ROWS) {
  t.test(`millrace ${argv.join(' ')} exits with ${code}`, async (t) => {
    const ran = await run(argv)
    t.equal(ran.code, code)
    t.match(ran.out, out)
    t.match(ran.notes, notes)
  })
}

t.test('token passes its options to the token maker', async (t) => {
  const { orders } = await run(['token', '--subject', 'agent', '--tenant', 'team-a', '--expires', '1h30m'])
  t.same(orders, [{ subject: 'agent', tenant: 'team-a', lifetimeMs: 5_400_000 }])
  const other = await run(['token', '--subject', 'agent'])
  t.same(other.orders, [{ subject: 'agent', tenant: undefined, lifetimeMs: 3_600_000 }])
})

t.test('token reports that the gateway does not accept it yet', async (t) => {
  const { code, out, notes } = await run(['token', '--subject', 'agent'], { isTaken: false })
  t.match({ code, out }, { code: 0, out: 'the.token.text\n' })
  t.match(notes, /MILLRACE_LOCAL_ISSUER=true/)
})

/** [name, chunks of stdin, the password] */
const PASSWORDS: [string, (string | Uint8Array)[], string][] = [
  ['a line', ['secret\n'], 'secret'],
  ['text without a newline', ['secret'], 'secret'],
  ['a Windows line ending', ['secret\r\n'], 'secret'],
  ['a character split between chunks', [Buffer.from([0xc3]), Buffer.from([0xa4, 10])], 'ä'],
  ['spaces around it', [' secret '], ' secret '],
]
for (const [name, stdin, password] of PASSWORDS) {
  t.test(`hash-password accepts ${name}`, async (t) => {
    const { code, out, notes } = await run(['hash-password'], { stdin })
    t.match({ code, notes }, { code: 0, notes: '' })
    const hash = parsePasswordHash(out.trimEnd())
    t.match(hash, COST)
    const salt = Buffer.from(hash?.salt ?? '', 'base64')
    t.equal(scryptSync(password, salt, 32, { N: COST.n, r: COST.r, p: COST.p }).toString('base64'), hash?.hash)
  })
}

const PASSWORDS_REFUSED: [string, (string | Uint8Array)[], RegExp][] = [
  ['nothing', [], /no password on stdin/],
  ['an empty line', ['\n'], /no password on stdin/],
  ['a control character', ['hunter\t2\n'], /control characters/],
  ['bytes that are not UTF-8', [Buffer.from([0xff, 0x41, 10])], /must be UTF-8/],
  ['an endless password', Array.from({ length: 3000 }, () => 'hunter'), /longer than 1024 bytes/],
]
for (const [name, stdin, message] of PASSWORDS_REFUSED) {
  t.test(`hash-password rejects ${name}`, async (t) => {
    const { code, out, notes } = await run(['hash-password'], { stdin })
    t.match({ code, out }, { code: 2, out: '' })
    t.match(notes, message)
    t.notMatch(notes, /hunter/)
  })
}
