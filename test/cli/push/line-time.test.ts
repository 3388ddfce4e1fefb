import t from 'tap'
import { lineTime as timeOfBytes } from '../../../src/cli/push/line-time.ts'
import { parseRfc3339 } from '../../../src/domain/time.ts'

const lineTime = (line: string) => timeOfBytes(Buffer.from(line))

const UTC = '2026-11-21T10:00:00.123Z'

const STATED: readonly (readonly [line: string, time: string])[] = [
  ['2026-11-21T10:00:00.123Z INFO started', UTC],
  ['2026-11-21 11:00:00,123+01:00 INFO started', UTC],
  ['2026-11-21 11:00:00.123 +0100 INFO started', UTC],
  ['[2026-11-21 10:00:00.123 UTC] INFO started', UTC],
  ['2026/11/21 10:00:00.123 GMT [error] 7#7: started', UTC],
  ['INFO [main] 2026-11-21T10:00:00.123456789Z started', '2026-11-21T10:00:00.123456789Z'],
  ['10.0.0.1 - - [21/Nov/2026:11:00:00 +0100] "GET / HTTP/1.1" 200 5', '2026-11-21T10:00:00Z'],
  ['{"level":30,"time":1795255200123,"msg":"started"}', UTC],
  ['{"time":"2026-11-21T10:00:00.123Z","msg":"started"}', UTC],
  ['{"msg":"started","@timestamp":"1795255200"}', '2026-11-21T10:00:00Z'],
  ['ts=1795255200.123 level=info msg=started', UTC],
  ['level=info ts=2026-11-21T10:00:00.123Z msg=started', UTC],
  ['{"timestamp":1795255200123456789}', '2026-11-21T10:00:00.123456789Z'],
  ['{"timestamp":1795255200123000}', UTC],
]

for (const [line, time] of STATED) {
  t.test(`the time of ${line}`, async (t) => t.equal(lineTime(line), parseRfc3339(time)))
}

t.test('a time without a zone is local time', async (t) => {
  t.equal(lineTime('2026-11-21 10:00:00 started'), BigInt(new Date('2026-11-21T10:00:00').getTime()) * 1_000_000n)
})

const NONE = [
  '',
  'started',
  '  at main (app.js:10:5)',
  '2026-02-31T10:00:00Z there is no such day',
  '2026-13-01 10:00:00 nor such a month',
  'order 1795255200123 was paid',
  'version=10 runtime=1795255200',
  `${'x'.repeat(100)} 2026-11-21T10:00:00Z is part of the message`,
  '[21/Foo/2026:11:00:00 +0100] nor such a name',
]

for (const line of NONE) t.test(`no time: ${line}`, async (t) => t.equal(lineTime(line), undefined))
