/** A sample of 200 lines: four services over the last hour, with a fault in one of them. */

const COUNT = 200
const SPAN_MS = 3_540_000

type Line = readonly [level: string, text: string]
type Maker = (i: number) => Line

const MAKERS: Readonly<Record<string, Maker>> = {
  checkout: (i) =>
    i % 9 === 4 && i > 110
      ? [
          'error',
          JSON.stringify({
            level: 'error',
            msg: `order ${8800 + i} failed: card declined`,
            provider: 'adyen-eu',
            status: 402,
            duration_ms: 9000 + i,
          }),
        ]
      : [
          'info',
          JSON.stringify({
            level: 'info',
            msg: `order ${8800 + i} placed`,
            provider: i % 3 === 0 ? 'stripe' : 'adyen-eu',
            status: 200,
            duration_ms: 20 + (i % 37),
          }),
        ],
  auth: (i) => [
    i % 11 === 5 ? 'warn' : 'info',
    `level=${i % 11 === 5 ? 'warn' : 'info'} msg="${i % 11 === 5 ? 'password was wrong' : 'session opened'}" user=u${i % 17} path=/login`,
  ],
  search: (i) => ['debug', `level=debug msg="query took ${i % 90} ms" index=products hits=${(i * 7) % 400}`],
  mail: (i) =>
    i === 159
      ? [
          'critical',
          'CRITICAL queue is not readable\njava.io.IOException: disk failed\n\tat mail.Queue.read(Queue.java:81)\n\tat mail.Sender.run(Sender.java:40)\n\tat java.lang.Thread.run(Thread.java:750)',
        ]
      : ['info', `INFO sent message ${i} to <user${i % 23}@example.com>`],
}

interface SampleStream {
  readonly stream: Readonly<Record<string, string>>
  readonly values: (readonly [string, string, Readonly<Record<string, string>>])[]
}

/** As the body of a push. `nowMs` is the time of the newest line. */
export function sampleStreams(nowMs: number): readonly SampleStream[] {
  const names = Object.keys(MAKERS)
  const streams = names.flatMap((name) =>
    ['1', '2'].map(
      (pod): SampleStream => ({ stream: { service_name: name, env: 'sample', pod: `${name}-${pod}` }, values: [] }),
    ),
  )
  for (let i = 0; i < COUNT; i++) {
    const name = names[i % names.length] as string
    const [level, text] = (MAKERS[name] as Maker)(i)
    const ns = `${Math.floor(nowMs - SPAN_MS + (i / (COUNT - 1)) * SPAN_MS)}${String(i).padStart(6, '0')}`
    const stream = streams[(i % names.length) * 2 + (Math.floor(i / names.length) % 2)] as SampleStream
    stream.values.push([ns, text, { trace_id: `trace${i}`, detected_level: level }])
  }
  return streams
}
