/** The WebAssembly module equals TypeScript; npm run fuzz:kernel tries many more inputs. */

import t from 'tap'
import { kernel } from '../../src/kernel/kernel.ts'
import { compareGrams, compareLevels, compareSnappy } from './kernel.ts'

t.test('levels, snappy blocks and grams are the same, of whole and of damaged inputs', async (t) => {
  t.ok(kernel(), 'the module runs here')
  for (let seed = 1; seed <= 20; seed++) {
    compareLevels(seed, 1000)
    compareSnappy(seed, 100)
    compareGrams(seed, 200)
  }
})
