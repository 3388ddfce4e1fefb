/** Decodes the elements of snappy blocks in WebAssembly. */

import { kernel } from './kernel.ts'

/** Below this size copying in and out costs more than it gains. */
const BYTES_MIN = 1024

/**
 * Decodes the elements body[at, …) to `output`, which they must fill. False if it did not: the elements are not valid, or
 * they are too few or too many bytes for WebAssembly; the bytes of `output` are then undefined.
 */
export function decodeElementsByKernel(body: Uint8Array, at: number, output: Uint8Array): boolean {
  if (output.length < BYTES_MIN) return false
  const loaded = kernel()
  const size = body.length - at
  const addresses = loaded?.reserve(size, output.length)
  if (loaded === undefined || addresses === undefined) return false
  const [from, to] = addresses as [number, number]
  loaded.bytes.set(body.subarray(at), from)
  if (loaded.exports.decodeElements(from, from + size, to, to + output.length) === 0) return false
  output.set(loaded.bytes.subarray(to, to + output.length))
  return true
}
