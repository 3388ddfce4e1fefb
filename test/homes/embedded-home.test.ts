import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import { logStore } from '../../src/telemetry/store-log.ts'
import { FixedClock, makeBatch, openAdmission } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'

t.test('the store is maintained and the limits are read again by timers, until the home is closed', async (t) => {
  const folder = testFolder(t, { 'limits.json': '{"a":{"lineBytesMax":"1KiB"}}' })
  const limitsFile = join(folder, 'limits.json')
  const running = new Set<() => void>()
  const started = t.intercept(globalThis, 'setInterval', {
    value: (run: () => void) => {
      running.add(run)
      const timer = { run, unref: () => timer }
      return timer
    },
  })
  const ended = t.intercept(globalThis, 'clearInterval', {
    value: ({ run }: { run: () => void }) => void running.delete(run),
  })
  const config = readConfig({
    MILLRACE_DATA_DIR: join(folder, 'data'),
    MILLRACE_TENANT_LIMITS_FILE: limitsFile,
    MILLRACE_RETENTION_AGE: '1d',
  })
  const clock = new FixedClock()
  const news: string[] = []
  const log = { error: () => undefined, info: (_facts: object, text: string) => void news.push(text) }
  const home = openEmbedded(config, clock, logStore(log))
  t.equal(running.size, 2)
  const entries = [{ ns: clock.nowNs, line: 'old' }]
  await home.ports.store.append(makeBatch([{ labels: { app: 'a' }, entries }], openAdmission(clock)))
  clock.ms += 48 * 3600_000
  writeFileSync(limitsFile, '{"a":{"lineBytesMax":"2KiB"},"b":{}}')
  for (const run of running) run()
  // Both work in turns of the event loop until they are done.
  while (home.ports.store.figures().blocks > 0 || news.length === 0) await new Promise(setImmediate)
  t.equal(home.ports.limits?.of('a').push.lineBytesMax, 2048)
  await home.close()
  t.equal(running.size, 0)
  started.restore()
  ended.restore()
})
