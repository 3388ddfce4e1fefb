import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { SnsNotifier } from '../../src/adapters/aws/incidents/sns-notifier.ts'
import { LogNotifier } from '../../src/adapters/outside/log-notifier.ts'
import { SmtpNotifier, smtpTransport } from '../../src/adapters/outside/smtp-notifier.ts'
import { WebhookNotifier } from '../../src/adapters/outside/webhook-notifier.ts'
import { applyReport, type Incident } from '../../src/domain/incidents/incident.ts'
import type { Message } from '../../src/domain/incidents/notification.ts'
import {
  formatMessageJson,
  formatSlack,
  formatSubject,
  formatText,
} from '../../src/protocol/incidents/incident-message.ts'
import { FixedClock } from '../support/helper.ts'
import { incidentIdOf, report } from './incident-store.ts'

const CLOCK = new FixedClock()
const LINKS = {
  publicUrl: 'https://logs.example.com/',
  grafanaUrl: undefined,
  grafanaDataSource: 'millrace',
  region: undefined,
}
const SECRET = 'a secret of some length'

function incidentOf(title: string, line = 'payments down'): Incident {
  const seen = report(CLOCK, { title, query: '{app="shop"}', eventId: 'e', line })
  return applyReport(undefined, incidentIdOf(seen), seen, CLOCK.ms)?.incident as Incident
}

function messageOf(count: number, title = 'payments down', line?: string): Message {
  const notifications = Array.from({ length: count }, (_, i) => {
    return { id: `n${i}`, transition: 'opened' as const, createdMs: CLOCK.ms, incident: incidentOf(title, line) }
  })
  return { id: count === 1 ? 'n0' : 'digest-1', notifications }
}

interface Received {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

async function receiver(t: Test, status: number, headers: Record<string, string> = {}) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    received.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
    response.writeHead(status, headers).end('an answer')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received }
}

const never = new AbortController().signal

t.test('a webhook gets JSON, an id that stays, and a signature that can be checked', async (t) => {
  const { url, received } = await receiver(t, 204)
  await new WebhookNotifier({ url, secret: SECRET, format: 'json', links: LINKS }, CLOCK).send(messageOf(1), never)
  const [{ headers, body } = { headers: {}, body: '' }] = received
  t.match(JSON.parse(body), { id: 'n0', transition: 'opened', incident: { title: 'payments down', count: 1 } })
  t.equal(headers['x-millrace-notification'], 'n0')
  const [, seconds, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-millrace-signature'])) ?? []
  t.equal(Number(seconds), Math.floor(CLOCK.ms / 1000))
  t.equal(digest, createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex'))
  await new WebhookNotifier({ url, secret: undefined, format: 'json', links: LINKS }, CLOCK).send(messageOf(3), never)
  t.equal(received[1]?.headers['x-millrace-signature'], undefined)
  t.equal(JSON.parse(received[1]?.body ?? '').digest.length, 3)
})

for (const status of [302, 400, 404, 429, 500, 503]) {
  t.test(`a webhook that responds ${status} counts as failed`, async (t) => {
    const { url, received } = await receiver(t, status, { location: 'http://127.0.0.1:9/elsewhere' })
    const notifier = new WebhookNotifier({ url, secret: SECRET, format: 'json', links: LINKS }, CLOCK)
    await t.rejects(notifier.send(messageOf(1), never), { code: 'source_unavailable' })
    t.equal(received.length, 1)
  })
}

t.test('a webhook that is down or too slow counts as failed', async (t) => {
  const { url } = await receiver(t, 200)
  const settings = { secret: undefined, format: 'slack' as const, links: LINKS }
  await t.rejects(new WebhookNotifier({ url: 'http://127.0.0.1:1/', ...settings }, CLOCK).send(messageOf(1), never))
  await t.rejects(new WebhookNotifier({ url, ...settings }, CLOCK).send(messageOf(1), AbortSignal.abort()))
})

t.test('a webhook receives the name and the password of its URL, which no error contains', async (t) => {
  const { url, received } = await receiver(t, 200)
  const settings = { secret: undefined, format: 'json' as const, links: LINKS }
  const withPassword = url.replace('http://', 'http://ann:p%40ssword@')
  await new WebhookNotifier({ url: withPassword, ...settings }, CLOCK).send(messageOf(1), never)
  const expected = `Basic ${Buffer.from('ann:p@ssword').toString('base64')}`
  t.equal(received[0]?.headers['authorization'], expected)
  for (const address of ['http://ann:p%40ssword@127.0.0.1:1/secret', 'http://127.0.0.1:1/secret?token=password']) {
    const error = await new WebhookNotifier({ url: address, ...settings }, CLOCK)
      .send(messageOf(1), never)
      .then(() => undefined)
      .catch((cause) => cause)
    t.match(error, { code: 'source_unavailable', message: /ECONNREFUSED|fetch failed|TypeError/ })
    t.notMatch(inspect(error, { depth: 9 }), /ssword|secret\b/)
  }
})

t.test('the text of a mail server that rejects a mail is not logged', async (t) => {
  const refused = Object.assign(new Error('554 spam: payments down'), { responseCode: 554, response: 'payments down' })
  const transport = { sendMail: () => Promise.reject(refused) }
  const notifier = new SmtpNotifier({ from: 'a@example.com', to: [], links: LINKS }, async () => transport)
  const error = await notifier.send(messageOf(1)).catch((cause) => cause)
  t.match(error, { code: 'source_unavailable', message: /554/ })
  t.notMatch(inspect(error, { depth: 9 }), /payments/)
})

t.test('SNS gets a subject that mail can have, a text, and attributes to filter by', async (t) => {
  const sent: Record<string, unknown>[] = []
  const client = async () => ({ publish: async (request: object) => void sent.push({ ...request }) }) as never
  const settings = { links: LINKS }
  const topic = 'arn:aws:sns:eu-west-1:123456789012:alerts'
  await new SnsNotifier({ topic, ...settings }, client).send(messageOf(1, `Zürich\n${'long '.repeat(60)}`), never)
  const fifo = new SnsNotifier({ topic: `${topic}.fifo`, ...settings }, client)
  await fifo.send(messageOf(500, 'x'.repeat(300), 'y'.repeat(3000)), never)
  const [first, second] = sent
  t.match(first, {
    TopicArn: topic,
    Subject: /^\[opened\] error: Z\?rich long [ -~]*\.\.\.$/,
    Message: /https:\/\/logs\.example\.com\/incidents\//,
    MessageAttributes: { severity: { StringValue: 'error' }, transition: { StringValue: 'opened' } },
  })
  t.ok(String(first?.['Subject']).length < 100)
  t.match(second, { MessageDeduplicationId: 'digest-1', MessageAttributes: { transition: { StringValue: 'digest' } } })
  t.match(second?.['Message'], /and 480 more/)
})

t.test('a rejection by SNS counts as failed, and its text is not shown', async (t) => {
  const refused = Object.assign(new Error('of a secret'), { name: 'AuthorizationErrorException' })
  const client = async () => ({ publish: () => Promise.reject(refused) }) as never
  const settings = { topic: 'arn', links: LINKS }
  const sending = new SnsNotifier(settings, client).send(messageOf(1), never)
  await t.rejects(sending, { code: 'source_unavailable', message: /AuthorizationErrorException/ })
})

t.test('mail has the subject, the text and an id that stays', async (t) => {
  const mails: object[] = []
  const settings = {
    from: 'millrace@example.com',
    to: ['ann@example.com', 'bob@example.com'],
    links: LINKS,
  }
  const transport = { sendMail: async (mail: object) => mails.push(mail) }
  await new SmtpNotifier(settings, async () => transport).send(messageOf(1))
  t.match(mails, [
    { to: settings.to, subject: '[opened] error: payments down', messageId: '<n0@millrace>', text: /seen 1 times/ },
  ])
  const down = new SmtpNotifier(settings, smtpTransport('smtp://127.0.0.1:1', 1000))
  await t.rejects(down.send(messageOf(1)), { code: 'source_unavailable', message: /ECONNREFUSED|ESOCKET/ })
})

t.test("the gateway's own log holds no line, no title and no label of anybody", async (t) => {
  const lines: string[] = []
  const write = (facts: object, text: string): void => void lines.push(JSON.stringify({ ...facts, text }))
  const notifier = new LogNotifier({ warn: write, info: write })
  await notifier.send(messageOf(1, 'a secret title', 'a secret line'))
  await notifier.send(messageOf(500, 'a secret title', 'a secret line'))
  t.equal(lines.length, 2, 'a digest is one line')
  t.notMatch(lines.join(), /secret|service_name|shop/)
  t.match(lines[0], /"transition":"opened"/)
  t.match(lines[1], /"digest":"digest-1","opened":500/)
})

t.test('mails and Slack lead people to pages, never to JSON', async (t) => {
  const grafanaUrl = 'https://grafana.example.com'
  const publicUrl = 'https://logs.example.com/base/'
  const console = { name: '/aws/lambda/x' }
  const rows: readonly (readonly [name: string, links: object, incident: object, wanted: readonly RegExp[]])[] = [
    ['nothing is set', {}, {}, [/^\/incidents\/\w+$/]],
    ['a public URL', { publicUrl }, {}, [/^https:\/\/logs\.example\.com\/base\/incidents\/\w+$/]],
    ['Grafana', { grafanaUrl }, {}, [/^https:\/\/grafana\.example\.com\/explore\?/]],
    ['both', { publicUrl, grafanaUrl }, {}, [/\/base\/incidents\//, /\/explore\?/]],
    ['a log group', { publicUrl }, { logGroup: console, query: undefined }, [/\/base\/incidents\//, /console\.aws/]],
  ]
  for (const [name, settings, more, wanted] of rows) {
    const links = { ...LINKS, publicUrl: undefined, grafanaUrl: undefined, ...settings }
    const { id, notifications } = messageOf(1)
    const query = '{service_name="shop"}'
    const message = {
      id,
      notifications: notifications.map((each) => ({ ...each, incident: { ...each.incident, query, ...more } })),
    }
    const lines = formatText(message, links).split('\n')
    const found = lines.filter((line) => /^(\/|https?:)/.test(line))
    t.equal(found.length, wanted.length, name)
    for (const [i, pattern] of wanted.entries()) t.match(found[i], pattern, name)
    t.notMatch(found.join(), /\/loki\/api/, name)
    const pressed = JSON.parse(formatSlack(message, links)).blocks[2]?.text.text
    if (found[0]?.startsWith('http')) t.match(pressed, /^<https:[^|<>]+\|Open the incident>$/, name)
    else t.equal(pressed, undefined, name)
  }
})

t.test('a digest of the longest lines is no megabytes of JSON', async (t) => {
  const body = formatMessageJson(messageOf(500, 'x'.repeat(300), '\u0001'.repeat(4000)), LINKS)
  t.ok(body.length < 1024 * 1024, `${body.length} characters`)
  t.equal(JSON.parse(body).digest.length, 500)
})

t.test('any title, labels and line give well-formed messages', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 400 })
  const labels = fc.array(fc.record({ name: fc.oneof(text, fc.constant('__proto__')), value: text }), { maxLength: 5 })
  const grafana = { ...LINKS, grafanaUrl: 'https://grafana.example.com' }
  fc.assert(
    fc.property(text, labels, text, fc.integer({ min: 1, max: 30 }), (title, labels, line, count) => {
      const { notifications, id } = messageOf(count, title, line)
      const message = {
        id,
        notifications: notifications.map((each) => ({ ...each, incident: { ...each.incident, labels } })),
      }
      const parsed = JSON.parse(formatMessageJson(message, grafana))
      const incident = count === 1 ? parsed.incident : parsed.digest[0].incident
      const slack = JSON.parse(formatSlack(message, grafana))
      const subject = formatSubject(message, 99)
      return (
        new Map(labels.map(({ name, value }) => [name, value])).size === Object.keys(incident.labels).length &&
        slack.blocks[1].text.text.length <= 3000 &&
        slack.blocks[0].text.text.length <= 150 &&
        !/[<>]/.test(slack.text) &&
        subject.length <= 99 &&
        subject.isWellFormed() &&
        !/\p{Cc}/u.test(subject) &&
        formatText(message, grafana).isWellFormed()
      )
    }),
    { numRuns: 200 },
  )
  t.pass()
})
