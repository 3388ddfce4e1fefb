/** Controls the shim of a running process: rules on a shared memory page, which can change at any time. */

import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { KINDS, type Kind } from './journal.ts'

/**
 * `kill`: SIGKILL before the operation. `kill-half`: in the middle of a write, before any other operation. `fail`: with
 * an errno. `short`: half of a write. `delay`: by microseconds. `swallow`: skips a sync, as if the code did not call
 * it. `flip`: flips one bit of what is read.
 */
const ACTIONS = ['kill', 'kill-half', 'fail', 'short', 'delay', 'swallow', 'flip'] as const

export interface Rule {
  readonly action: (typeof ACTIONS)[number]
  readonly kinds: readonly Kind[]
  /** Fires once, at the n-th matching operation from now on; or, with `chance`, at random. */
  readonly after?: number
  /** 0 to 1. */
  readonly chance?: number
  /** The errno of `fail`, the microseconds of `delay`. */
  readonly value?: number
  /** Only files whose path has this suffix; at most 88 bytes. */
  readonly ending?: string
}

const HEADER_BYTES = 128
const RULE_BYTES = 128
const AFTER_AT = 16
const ENDING_BYTES = 88
export const RULES_MAX = 24
const AT = { operations: 0, draws: 8, seed: 16, skipSync: 24, space: 32 }
const PER_MILLION = 1_000_000

export class Control {
  readonly path: string
  readonly #file: number

  /** Makes the page, or changes the one that is there. */
  constructor(path: string, { isNew = true } = {}) {
    this.path = path
    this.#file = openSync(path, isNew ? 'w+' : 'r+')
    ftruncateSync(this.#file, HEADER_BYTES + RULES_MAX * RULE_BYTES)
    if (isNew) this.space = undefined
  }

  /** Number of operations so far that changed a file or a name, or tried to. */
  get operations(): number {
    const bytes = Buffer.alloc(8)
    readSync(this.#file, bytes, 0, 8, AT.operations)
    return Number(bytes.readBigUInt64LE())
  }

  /** The seed of the random choices; setting it starts their sequence again. */
  set seed(seed: number) {
    this.#set(AT.seed, BigInt(seed))
    this.#set(AT.draws, 0n)
  }

  /** True: syncs are recorded but not executed, so that a slow disk does not matter. */
  set skipsSync(skips: boolean) {
    this.#set(AT.skipSync, skips ? 1n : 0n)
  }

  /** Bytes by which files may still grow before ENOSPC; undefined: unlimited. */
  set space(bytes: number | undefined) {
    this.#set(AT.space, bytes === undefined ? -1n : BigInt(bytes))
  }

  /** Replaces the previous rules. */
  set rules(rules: readonly Rule[]) {
    if (rules.length > RULES_MAX) throw new Error(`${rules.length} rules; ${RULES_MAX} fit`)
    const bytes = Buffer.alloc(RULES_MAX * RULE_BYTES)
    for (const [i, rule] of rules.entries()) formatRule(rule).copy(bytes, i * RULE_BYTES)
    writeSync(this.#file, bytes, 0, bytes.length, HEADER_BYTES)
  }

  /** Number of matching operations before rule `i` fires; 0 once it has. */
  left(i: number): number {
    const bytes = Buffer.alloc(8)
    readSync(this.#file, bytes, 0, 8, HEADER_BYTES + i * RULE_BYTES + AFTER_AT)
    return Number(bytes.readBigUInt64LE())
  }

  close(): void {
    closeSync(this.#file)
  }

  #set(at: number, value: bigint): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    writeSync(this.#file, bytes, 0, 8, at)
  }
}

function formatRule({ action, kinds, after = 0, chance = 0, value = 0, ending = '' }: Rule): Buffer {
  const bytes = Buffer.alloc(RULE_BYTES)
  const mask = kinds.reduce((bits, kind) => bits | (1 << (KINDS.indexOf(kind) + 1)), 0)
  const fields = [ACTIONS.indexOf(action) + 1, mask, after, Math.round(chance * PER_MILLION), value]
  for (const [i, field] of fields.entries()) bytes.writeBigUInt64LE(BigInt(field), i * 8)
  if (bytes.write(ending, fields.length * 8) < Buffer.byteLength(ending) || ending.length > ENDING_BYTES) {
    throw new Error(`the ending '${ending}' is too long`)
  }
  return bytes
}
