import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { freePort } from '../support/gateway-process.ts'
import { testFolder } from '../support/test-folder.ts'
import { RestartableGateway } from './restarts.ts'

const SYSLOG_NG = '/usr/sbin/syslog-ng'
const hasHttp = existsSync(SYSLOG_NG) && globSync('/usr/lib/syslog-ng/*/libhttp.so').length > 0
const LINES = 2000
/** Maximum number of reads before the test fails. */
const READS_MAX = 6000

/** A configuration that reads lines from TCP and pushes Loki's JSON in batches. */
function configOf(port: number, url: string, dir: string): string {
  return `@version: 3.35
@include "scl.conf"
options { stats-freq(0); use-dns(no); };
source s { network(ip("127.0.0.1") port(${port}) transport("tcp") flags(no-parse)); };
destination d {
  http(url("${url}/loki/api/v1/push") method("POST") headers("Content-Type: application/json")
    batch-lines(500) batch-timeout(500) workers(1) retries(100) time-reopen(1) delimiter(",")
    body-prefix("{\\"streams\\":[{\\"stream\\":{\\"app\\":\\"syslog-ng\\"},\\"values\\":[")
    body('["\${R_UNIXTIME}\${R_USEC}000",$(substr "$(format-json --scope none m=$MSG)" 5 -1)]')
    body-suffix("]}]}") disk-buffer(reliable(yes) disk-buf-size(16777216) dir("${dir}")));
};
log { source(s); destination(d); flags(flow-control); };
`
}

const skip = hasHttp ? false : 'skipped: syslog-ng with its HTTP module is not installed here'
t.test('syslog-ng: every line is stored, including quotes, backslashes and UTF-8', { skip }, async (t) => {
  const gateway = await RestartableGateway.start(t)
  const dir = testFolder(t)
  const port = await freePort()
  const config = join(dir, 'syslog-ng.conf')
  writeFileSync(config, configOf(port, gateway.url, dir))
  const file = (name: string): string => join(dir, name)
  const daemon = spawn(
    SYSLOG_NG,
    ['-F', '-f', config, '-R', file('persist'), '-p', file('pid'), '-c', file('ctl'), '--no-caps'],
    { stdio: 'ignore' },
  )
  t.teardown(async () => {
    if (daemon.exitCode !== null) return
    daemon.kill('SIGKILL')
    await once(daemon, 'exit')
  })
  const sent = Array.from({ length: LINES }, (_, i) => `line ${i} "quoted" C:\\path é€😀 <131>`)
  await sendLines(port, sent)

  let found: string[] = []
  for (let reads = 0; reads < READS_MAX && found.length < LINES; reads++) {
    await delay(100) // until the batches have arrived
    found = (await gateway.read('{app="syslog-ng"}')).map(({ line }) => line)
  }
  t.strictSame(found.toSorted(), sent.toSorted())
})

/** Sends lines once the daemon listens. */
async function sendLines(port: number, lines: readonly string[]): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      socket.end(lines.map((line) => `${line}\n`).join(''))
      await once(socket, 'close')
      return
    } catch (error) {
      socket.destroy()
      if (attempt >= READS_MAX) throw error
      await delay(100) // until it listens
    }
  }
}
