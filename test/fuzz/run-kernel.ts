/** `npm run fuzz:kernel -- --cases 5000000`: the WebAssembly module compared with TypeScript, on many more inputs. */

import { parseArgs } from 'node:util'
import { compareGrams, compareLevels, compareSnappy } from './kernel.ts'

/** Cases per seed: of ten, eight are lines, one is a snappy block, and one a text with grams. */
const ROUND = 10_000

const { values } = parseArgs({
  options: { cases: { type: 'string', default: '5000000' }, seed: { type: 'string', default: '1' } },
})
const [cases, firstSeed] = [Number(values.cases), Number(values.seed)]
for (let done = 0; done < cases; done += ROUND) {
  const seed = firstSeed + done / ROUND
  compareLevels(seed, ROUND * 0.8)
  compareSnappy(seed, ROUND * 0.1)
  compareGrams(seed, ROUND * 0.1)
  if ((done / ROUND) % 50 === 49) console.log(`${done + ROUND} cases, no difference`)
}
console.log(`${cases} cases, no difference`)
