import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { STORED_BYTES_LIMIT, storedContents, storeFrame } from '../../../src/protocol/blocks/stored-frame.ts'

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 167 + length) & 0xff)

t.test('a frame of any size is read by zstd and by this reader', async (t) => {
  for (let length = 1; length < STORED_BYTES_LIMIT; length++) {
    const raw = bytesOf(length)
    const frame = storeFrame(raw)
    if (Buffer.compare(zstdDecompressSync(frame), raw) !== 0) t.fail(`zstd reads ${length} bytes`)
    if (Buffer.compare(storedContents(frame, length) ?? new Uint8Array(0), raw) !== 0) t.fail(`${length} bytes`)
  }
  t.equal(storeFrame(bytesOf(255)).length, 255 + 9, 'the frame adds nine bytes')
  t.equal(storeFrame(bytesOf(256)).length, 256 + 10, 'or ten')
})

t.test('other frames are left to zstd', async (t) => {
  for (const length of [50, 255, 256, 300, 511, 512, 5000]) {
    t.equal(storedContents(zstdCompressSync(Buffer.alloc(length)), length), undefined, `compressed ${length} bytes`)
  }
  const frame = storeFrame(bytesOf(300))
  t.equal(storedContents(frame, 299), undefined, 'a frame of another length')
  for (let i = 0; i < 10; i++) {
    const changed = Uint8Array.from(frame, (byte, at) => (at === i ? byte ^ 1 : byte))
    t.equal(storedContents(changed, 300), undefined, `a frame with another byte ${i} in its head`)
  }
})
