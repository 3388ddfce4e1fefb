/** The WebAssembly module of wasm/: loaded on first use, and one memory that its callers copy to and from. */

import { KERNEL_BASE64 } from './kernel-bytes.ts'

/** The functions of wasm/kernel.ts; all numbers but counts are addresses in its memory. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  heapBase(): number
  decodeElements(at: number, end: number, to: number, outputEnd: number): number
  findLevels(text: number, starts: number, ends: number, levels: number, count: number): void
  gramsOfLines(text: number, start: number, ends: number, count: number, seen: number, keys: number): number
  setProbes(keys: number, count: number, filter: number, bits: number): void
  gramsOfPairs(at: number, end: number, seen: number, keys: number): number
}

/** Node has it, but neither its types nor the language's have. */
declare const WebAssembly:
  | {
      readonly Module: new (bytes: Uint8Array) => object
      readonly Instance: new (module: object) => { readonly exports: unknown }
    }
  | undefined

/** Maximum size of the memory, which never shrinks. Larger inputs are processed in TypeScript, or in parts. */
export const KERNEL_BYTES_MAX = 8 * 1024 * 1024
/** What functions may read and write before and behind a region. */
export const SLACK_BYTES = 16
const PAGE_BYTES = 64 * 1024

/** A loaded module. */
export class Kernel {
  readonly exports: Exports
  readonly #base: number
  #bytes: Uint8Array

  constructor(exports: Exports) {
    this.exports = exports
    this.#base = align(exports.heapBase())
    this.#bytes = new Uint8Array(exports.memory.buffer)
  }

  /**
   * The addresses of regions of these sizes, aligned to 16, with SLACK_BYTES around each; undefined if they do not fit
   * into KERNEL_BYTES_MAX. They hold until the next call.
   */
  reserve(...sizes: readonly number[]): number[] | undefined {
    let end = this.#base
    const addresses = sizes.map((size) => {
      const address = align(end + SLACK_BYTES)
      end = address + size + SLACK_BYTES
      return address
    })
    if (end > KERNEL_BYTES_MAX) return undefined
    const missing = end - this.#bytes.length
    if (missing > 0) {
      this.exports.memory.grow(Math.ceil(missing / PAGE_BYTES))
      this.#bytes = new Uint8Array(this.exports.memory.buffer)
    }
    return addresses
  }

  /** The memory, until the next call of reserve. */
  get bytes(): Uint8Array {
    return this.#bytes
  }
}

function align(address: number): number {
  return (address + 15) & ~15
}

let loaded: Kernel | undefined
let isLoaded = false

/** The module; undefined where it cannot run: without WebAssembly (`--jitless`), or without SIMD. */
export function kernel(): Kernel | undefined {
  if (isLoaded) return loaded
  isLoaded = true
  try {
    if (WebAssembly === undefined) return undefined
    const bytes = Uint8Array.from(atob(KERNEL_BASE64), (char) => char.charCodeAt(0))
    // Its only exports are those of wasm/kernel.ts, which a test compares with the committed module.
    loaded = new Kernel(new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Exports)
  } catch {
    // The functions in TypeScript give the same.
  }
  return loaded
}
