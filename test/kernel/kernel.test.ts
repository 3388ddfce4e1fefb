import { spawnSync } from 'node:child_process'
import t from 'tap'
import { KERNEL_BYTES_MAX, type Kernel, kernel, SLACK_BYTES } from '../../src/kernel/kernel.ts'

t.test('the committed module is what wasm/ compiles to', { timeout: 600_000 }, async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build-kernel.mjs', '--check'], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.equal(status, 0)
})

t.test('regions are aligned, apart from each other, and bounded', async (t) => {
  const loaded = kernel() as Kernel
  for (const sizes of [[1], [0, 0], [100, 17, 4096], [3_000_000, 1_000_000]]) {
    const addresses = loaded.reserve(...sizes) ?? []
    t.equal(addresses.length, sizes.length)
    let before = loaded.exports.heapBase()
    for (const [i, address] of addresses.entries()) {
      t.equal(address % 16, 0)
      t.ok(address - before >= SLACK_BYTES, `${address} after ${before}`)
      before = address + (sizes[i] as number)
    }
    t.ok(before + SLACK_BYTES <= loaded.bytes.length)
  }
  t.equal(loaded.reserve(KERNEL_BYTES_MAX), undefined)
  t.ok(loaded.bytes.length <= KERNEL_BYTES_MAX, 'the memory did not grow for it')
})

t.test('without WebAssembly there is no module', async (t) => {
  t.intercept(globalThis, 'WebAssembly' as never, { value: undefined })
  // Another instance of the file, which has not loaded the module yet.
  const again: string = '../../src/kernel/kernel.ts?again'
  t.equal(((await import(again)) as { kernel: typeof kernel }).kernel(), undefined)
})
