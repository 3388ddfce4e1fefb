import t from 'tap'
import { runCli } from '../../src/cli/commands.ts'
import { type GivenUp, type GivenUpMessages, redriveCommand } from '../../src/cli/redrive.ts'
import { GatewayError } from '../../src/domain/errors.ts'

const START = Date.UTC(2026, 10, 21, 12)

const letter = (id: string, reason?: string, sentMs = START - 1000): GivenUp => ({
  id,
  sentMs,
  bytes: 7,
  reason: reason === undefined ? undefined : { code: 'body_malformed', text: reason },
})

/** Dead letters in memory, three at a time. */
class MemoryLetters implements GivenUpMessages<GivenUp> {
  readonly there: GivenUp[]
  readonly held = new Set<GivenUp>()
  readonly brought: string[] = []
  isClosed = false
  /** Called before each message is moved back. */
  beforeBringing: (message: GivenUp) => boolean = () => true

  constructor(there: readonly GivenUp[]) {
    this.there = [...there]
  }

  async take(): Promise<readonly GivenUp[]> {
    const taken = this.there.filter((message) => !this.held.has(message)).slice(0, 3)
    for (const message of taken) this.held.add(message)
    return taken
  }

  async release(messages: readonly GivenUp[]): Promise<void> {
    for (const message of messages) this.held.delete(message)
  }

  async bringBack(message: GivenUp): Promise<boolean> {
    const isDeleted = this.beforeBringing(message)
    this.brought.push(message.id)
    if (isDeleted) this.there.splice(this.there.indexOf(message), 1)
    return isDeleted
  }

  close(): void {
    this.isClosed = true
  }
}

async function redrive(letters: MemoryLetters, ...args: string[]) {
  let out = ''
  let notes = ''
  const command = redriveCommand(
    async () => letters,
    () => START,
  )
  const code = await runCli(['redrive', ...args], [command], {
    stdin: (async function* () {})(),
    isInteractive: false,
    out: (text) => {
      out += text
    },
    note: (text) => {
      notes += text
    },
  })
  return { code, out, notes }
}

t.test('--dry-run lists every message once, with its reason, and changes nothing', async (t) => {
  const letters = new MemoryLetters([letter('1', 'it is not base64'), letter('2'), letter('3'), letter('4')])
  const { code, out, notes } = await redrive(letters, '--dry-run')
  t.equal(code, 0)
  t.same(out.split('\n'), [
    '2026-11-21T11:59:59.000Z  1  7 bytes  body_malformed: it is not base64',
    '2026-11-21T11:59:59.000Z  2  7 bytes  received too often; see the log of the worker',
    '2026-11-21T11:59:59.000Z  3  7 bytes  received too often; see the log of the worker',
    '2026-11-21T11:59:59.000Z  4  7 bytes  received too often; see the log of the worker',
    '',
  ])
  t.equal(notes, '4 messages in the dead letters; nothing was changed\n')
  t.equal(letters.there.length, 4)
  t.equal(letters.held.size, 0)
  t.ok(letters.isClosed)
})

t.test('moves all messages back', async (t) => {
  const letters = new MemoryLetters(Array.from({ length: 8 }, (_, index) => letter(String(index))))
  const { code, notes } = await redrive(letters)
  t.equal(code, 0)
  t.equal(letters.brought.length, 8)
  t.same(letters.there, [])
  t.equal(notes, '8 messages brought back\n')
})

t.test('moves back at most --max messages', async (t) => {
  const letters = new MemoryLetters(Array.from({ length: 8 }, (_, index) => letter(String(index))))
  const { notes } = await redrive(letters, '--max', '4')
  t.equal(letters.brought.length, 4)
  t.equal(letters.there.length, 4)
  t.notOk(letters.there.some((message) => letters.held.has(message)))
  t.equal(notes, '4 messages brought back\n')
})

t.test('skips messages that returned to the dead letters during the run', async (t) => {
  const letters = new MemoryLetters([letter('1', 'it is not gzip')])
  letters.beforeBringing = ({ id }) => {
    letters.there.push(letter(`${id} again`, 'it is not gzip', START + 5))
    return true
  }
  const { notes } = await redrive(letters)
  t.same(letters.brought, ['1'])
  t.equal(notes, '1 message brought back\n')
})

t.test('after a failure no message is lost or held, and the next run continues', async (t) => {
  const letters = new MemoryLetters(Array.from({ length: 5 }, (_, index) => letter(String(index))))
  letters.beforeBringing = ({ id }) => {
    if (id === '1') throw new GatewayError('store_unavailable', 'SQS did not accept a message')
    return true
  }
  const { code, notes } = await redrive(letters)
  t.equal(code, 1)
  t.match(notes, /SQS did not accept a message/)
  t.equal(letters.there.length, 4)
  t.notOk(letters.there.some((message) => letters.held.has(message)))
  t.ok(letters.isClosed)
  letters.beforeBringing = () => true
  t.match(await redrive(letters), { code: 0, notes: '4 messages brought back\n' })
})

t.test('reports messages that are in both queues', async (t) => {
  const letters = new MemoryLetters([letter('1')])
  letters.beforeBringing = () => false
  t.match(await redrive(letters), { code: 0, notes: /1 message could not be deleted/ })
})

t.test('an empty queue is not an error', async (t) => {
  t.match(await redrive(new MemoryLetters([])), { code: 0, out: '', notes: '0 messages brought back\n' })
})

for (const max of ['0', '-1', '1.5', 'x', '100001', '']) {
  t.test(`--max ${JSON.stringify(max)} is wrong usage`, async (t) => {
    t.match(await redrive(new MemoryLetters([]), `--max=${max}`), { code: 2, notes: /--max must be a whole number/ })
  })
}
