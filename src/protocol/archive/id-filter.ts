/**
 * A Bloom filter of trace ids: ten bits and seven probes an id, so that one absent id in a hundred is taken for present and a present one
 * never for absent. See Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970.
 */

const BITS_PER_ID = 10
const PROBES = 7

/** The filter of these ids, which may repeat: a multiple of eight bits; empty for none. */
export function makeIdFilter(ids: Iterable<string>): Uint8Array {
  const distinct = new Set(ids)
  const bytes = new Uint8Array(Math.ceil((distinct.size * BITS_PER_ID) / 8))
  for (const id of distinct) {
    for (const bit of probes(id, bytes.length * 8)) bytes[bit >>> 3] = (bytes[bit >>> 3] as number) | (1 << (bit & 7))
  }
  return bytes
}

/** False if the id is certainly not among those of the filter. */
export function mayHaveId(filter: Uint8Array, id: string): boolean {
  if (filter.length === 0) return false
  for (const bit of probes(id, filter.length * 8)) {
    if (((filter[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false
  }
  return true
}

/** Double hashing: two hashes give all probes. See Kirsch and Mitzenmacher, "Less hashing, same performance", 2006. */
function probes(id: string, bits: number): number[] {
  const first = fnv1a(id, 0x811c9dc5)
  // Odd, so that the steps reach different bits.
  const step = fnv1a(id, 0x9e3779b9) | 1
  return Array.from({ length: PROBES }, (_, i) => ((first + Math.imul(i, step)) >>> 0) % bits)
}

/** FNV-1a over UTF-16 units, with the bits mixed at the end as in MurmurHash3. */
function fnv1a(text: string, seed: number): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
