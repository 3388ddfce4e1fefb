import t from 'tap'
import {
  decodeDirectory,
  decodeTenantIndex,
  directoryBytes,
  encodeFileIndex,
  filtersStart,
  type IndexParts,
  rowGroupRange,
} from '../../../src/protocol/archive/file-index.ts'

const stream = (row: number, rows: number) => ({
  stream: -5n,
  labels: [{ name: '__proto__', value: 'é"' }],
  row,
  rows,
  oldest: -(2n ** 63n),
  newest: 2n ** 63n - 1n,
})
const PARTS: IndexParts = {
  schema: [{ name: 'root' }],
  columns: [
    { path: ['labels', 'key'], type: 'BYTE_ARRAY', codec: 'ZSTD' },
    { path: ['body'], type: 'BYTE_ARRAY', codec: 'ZSTD' },
    { path: ['span_id'], type: 'BYTE_ARRAY', codec: 'ZSTD' },
  ],
  groups: [
    {
      row: 0,
      rows: 7,
      oldest: -1n,
      newest: 9n,
      chunks: [
        { dictionary: undefined, data: 4, bytes: 96, values: 7 },
        { dictionary: 100, data: 120, bytes: 50, values: 7 },
        { dictionary: undefined, data: 150, bytes: 10, values: 7 },
      ],
    },
  ],
  tenants: [
    { tenant: 'a', streams: [stream(0, 2), stream(2, 2)], filters: [{ group: 0, filter: Uint8Array.of(1, 2) }] },
    { tenant: 'b', streams: [stream(4, 3)], filters: [{ group: 0, filter: Uint8Array.of(3) }] },
  ],
}

t.test('an index returns its parts, each tenant separately', async (t) => {
  const index = encodeFileIndex(PARTS)
  const directory = decodeDirectory(index)
  const { tenants, ...rest } = directory
  const { tenants: _, ...wanted } = PARTS
  t.strictSame(rest, wanted)
  t.match(tenants, [
    { tenant: 'a', row: 0, rows: 4 },
    { tenant: 'b', row: 4, rows: 3 },
  ])
  for (const [i, { start, bytes }] of tenants.entries()) {
    const part = decodeTenantIndex(index.subarray(start, start + bytes), filtersStart(directory))
    const wanted = PARTS.tenants[i]
    t.strictSame(part.streams, wanted?.streams)
    const filters = part.filters.map(({ group, start, bytes }) => ({
      group,
      filter: Uint8Array.from(index.subarray(start, start + bytes)),
    }))
    t.strictSame(filters, wanted?.filters)
  }
})

t.test('the directory needs only the start of the index', async (t) => {
  const index = encodeFileIndex(PARTS)
  const bytes = directoryBytes(index)
  t.ok(bytes < index.length)
  t.equal(decodeDirectory(index.subarray(0, bytes)).tenants.length, 2)
})

t.test('entries of a row group are in one byte range', async (t) => {
  const directory = decodeDirectory(encodeFileIndex(PARTS))
  t.same(rowGroupRange(directory, PARTS.groups[0] as IndexParts['groups'][number]), { start: 100, end: 160 })
})

t.test('any other bytes are store_damaged', async (t) => {
  const index = encodeFileIndex(PARTS)
  const broken = Uint8Array.from(index)
  broken.fill(0, 4, 12)
  for (const bytes of [new Uint8Array(0), new Uint8Array(3), index.subarray(0, 20), broken]) {
    t.throws(() => decodeDirectory(bytes), { code: 'store_damaged' })
  }
  t.throws(() => decodeTenantIndex(Uint8Array.of(1, 2, 3), 0), { code: 'store_damaged' })
})
