import t from 'tap'
import { runCli } from '../../src/cli/commands.ts'
import { type Consumer, type GivenUp, type GivenUpMessages, redriveCommand } from '../../src/cli/redrive.ts'
import { GatewayError } from '../../src/domain/errors.ts'

const START = Date.UTC(2026, 10, 21, 12)

const letter = (id: string, reason?: string, sentMs = START - 1000): GivenUp => ({
  id,
  sentMs,
  bytes: 7,
  reason: reason === undefined ? undefined : { code: 'body_malformed', text: reason },
  isOwn: true,
})

/** Dead letters in memory, three at a time. */
class MemoryLetters implements GivenUpMessages<GivenUp> {
  readonly there: GivenUp[]
  readonly held = new Set<GivenUp>()
  readonly brought: string[] = []
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
    if (isDeleted) {
      this.there.splice(this.there.indexOf(message), 1)
      this.held.delete(message)
    }
    return isDeleted
  }
}

async function redrive(letters: MemoryLetters | ReadonlyMap<Consumer, MemoryLetters>, ...args: string[]) {
  let out = ''
  let notes = ''
  let isClosed = false
  const consumers = letters instanceof MemoryLetters ? new Map([['worker', letters] as const]) : letters
  const close = (): void => {
    isClosed = true
  }
  const command = redriveCommand(
    async () => ({ consumers, close }),
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
  return { code, out, notes, isClosed }
}

t.test('--dry-run lists every message once, with its reason, and changes nothing', async (t) => {
  const letters = new MemoryLetters([letter('1', 'it is not base64'), letter('2'), letter('3'), letter('4')])
  const { code, out, notes, isClosed } = await redrive(letters, '--dry-run')
  t.equal(code, 0)
  t.same(out.split('\n'), [
    'worker  2026-11-21T11:59:59.000Z  1  7 bytes  body_malformed: it is not base64',
    'worker  2026-11-21T11:59:59.000Z  2  7 bytes  received too often; see the log of the worker',
    'worker  2026-11-21T11:59:59.000Z  3  7 bytes  received too often; see the log of the worker',
    'worker  2026-11-21T11:59:59.000Z  4  7 bytes  received too often; see the log of the worker',
    '',
  ])
  t.equal(notes, 'worker: 4 messages in the dead letters; nothing was changed\n')
  t.equal(letters.there.length, 4)
  t.equal(letters.held.size, 0)
  t.ok(isClosed)
})

t.test('moves all messages back', async (t) => {
  const letters = new MemoryLetters(Array.from({ length: 8 }, (_, index) => letter(String(index))))
  const { code, notes } = await redrive(letters)
  t.equal(code, 0)
  t.equal(letters.brought.length, 8)
  t.same(letters.there, [])
  t.equal(notes, 'worker: 8 messages brought back\n')
})

t.test('moves back at most --max messages', async (t) => {
  const letters = new MemoryLetters(Array.from({ length: 8 }, (_, index) => letter(String(index))))
  const { notes } = await redrive(letters, '--max', '4')
  t.equal(letters.brought.length, 4)
  t.equal(letters.there.length, 4)
  t.notOk(letters.there.some((message) => letters.held.has(message)))
  t.equal(notes, 'worker: 4 messages brought back\n')
})

t.test('skips messages that returned to the dead letters during the run', async (t) => {
  const letters = new MemoryLetters([letter('1', 'it is not gzip')])
  letters.beforeBringing = ({ id }) => {
    letters.there.push(letter(`${id} again`, 'it is not gzip', START + 5))
    return true
  }
  const { notes } = await redrive(letters)
  t.same(letters.brought, ['1'])
  t.equal(notes, 'worker: 1 message brought back\n')
})

t.test('after a failure no message is lost or held, and the next run continues', async (t) => {
  const letters = new MemoryLetters(Array.from({ length: 5 }, (_, index) => letter(String(index))))
  letters.beforeBringing = ({ id }) => {
    if (id === '1') throw new GatewayError('store_unavailable', 'SQS did not accept a message')
    return true
  }
  const { code, notes, isClosed } = await redrive(letters)
  t.equal(code, 1)
  t.match(notes, /SQS did not accept a message/)
  t.equal(letters.there.length, 4)
  t.notOk(letters.there.some((message) => letters.held.has(message)))
  t.ok(isClosed)
  letters.beforeBringing = () => true
  t.match(await redrive(letters), { code: 0, notes: 'worker: 4 messages brought back\n' })
})

t.test('reports messages that are in both queues', async (t) => {
  const letters = new MemoryLetters([letter('1')])
  letters.beforeBringing = () => false
  t.match(await redrive(letters), { code: 0, notes: /1 message could not be deleted/ })
})

t.test('an empty queue is not an error', async (t) => {
  t.match(await redrive(new MemoryLetters([])), { code: 0, out: '', notes: 'worker: 0 messages brought back\n' })
})

t.test('each message goes back to the consumer that gave it up', async (t) => {
  const consumers = new Map<Consumer, MemoryLetters>([
    ['worker', new MemoryLetters([letter('w')])],
    ['alerts', new MemoryLetters([letter('a1'), letter('a2')])],
    ['poller', new MemoryLetters([letter('p')])],
  ])
  t.equal((await redrive(consumers, '--from', 'alerts')).notes, 'alerts: 2 messages brought back\n')
  t.same(consumers.get('worker')?.brought, [])
  const { out } = await redrive(consumers)
  t.same(
    out.split('\n').map((row) => row.split('  ')[0]),
    ['worker', 'poller', ''],
  )
  t.same(
    [...consumers.values()].map(({ brought }) => brought),
    [['w'], ['a1', 'a2'], ['p']],
  )
})

t.test('a message of another consumer is listed and stays, however many there are', async (t) => {
  const others = Array.from({ length: 7 }, (_, index) => ({ ...letter(`other ${index}`), isOwn: false }))
  const letters = new MemoryLetters([...others, letter('own')])
  t.match(await redrive(letters, '--dry-run'), { out: /other 0 {2}7 bytes {2}of another consumer, stays here; / })
  const { code, notes } = await redrive(letters)
  t.equal(code, 0)
  t.same(letters.brought, ['own'])
  t.equal(letters.there.length, 7)
  t.equal(letters.held.size, 0)
  t.equal(notes, 'worker: 7 messages of another consumer left in the dead letters\nworker: 1 message brought back\n')
})

t.test('a reason of several lines is one row', async (t) => {
  const { out } = await redrive(new MemoryLetters([letter('1', 'first\n\u001b[31msecond')]), '--dry-run')
  t.equal(out, 'worker  2026-11-21T11:59:59.000Z  1  7 bytes  body_malformed: first [31msecond\n')
})

t.test('what is not configured is named', async (t) => {
  const none = new Map<Consumer, MemoryLetters>()
  t.match(await redrive(none), {
    code: 1,
    notes: /MILLRACE_QUEUE_URL.*MILLRACE_ALERT_FUNCTION.*MILLRACE_POLL_FUNCTION/,
  })
  t.match(await redrive(none, '--from', 'alerts'), {
    notes: /redrive needs MILLRACE_ALERT_FUNCTION and MILLRACE_ALERT_/,
  })
  t.match(await redrive(none, '--from', 'all'), { code: 2, notes: /--from must be one of worker, alerts, poller/ })
})

for (const max of ['0', '-1', '1.5', 'x', '100001', '']) {
  t.test(`--max ${JSON.stringify(max)} is wrong usage`, async (t) => {
    t.match(await redrive(new MemoryLetters([]), `--max=${max}`), { code: 2, notes: /--max must be a whole number/ })
  })
}
