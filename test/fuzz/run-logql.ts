/** `node test/fuzz/run-logql.ts --count 10000000 --processes 2`: a longer fuzz test of queries. */

import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import { fuzzLogql, type LogqlReport } from './logql.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    processes: { type: 'string', default: '1' },
  },
})
const [count, seed, processes] = [Number(values.count), Number(values.seed), Number(values.processes)]

if (processes > 1) {
  for (let i = 0; i < processes; i++) {
    const share = Math.ceil(count / processes)
    const child = fork(import.meta.filename, ['--count', String(share), '--seed', String(seed + i)])
    child.on('exit', (code) => {
      if (code !== 0) process.exitCode = 1
    })
  }
} else {
  const report = fuzzLogql({ count, seed, onProgress: print })
  print(report)
  if (report.faultCount > 0) process.exitCode = 1
}

function print({ done, seconds, outcomes, faultCount, faults, greatestCost, slowest }: LogqlReport): void {
  const left = Math.round(((count - done) * seconds) / done)
  console.log(
    `seed ${seed}: ${done} of ${count}, ${Math.round(done / seconds)} a second, ${left} s left; ` +
      `${JSON.stringify(Object.fromEntries(outcomes))}; slowest ${Math.round(greatestCost)} units: ${JSON.stringify(slowest)}`,
  )
  if (faultCount > 0) console.log(`${faultCount} faults, the first:\n${faults.join('\n')}`)
}
