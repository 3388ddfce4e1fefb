/** What the shim does to a running process: rules on a page that both map, changed at any time. */

import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { KINDS, type Kind } from './journal.ts'

/**
 * `kill`: SIGKILL before the operation. `kill-half`: in the middle of a write, before any other. `fail`: with an errno.
 * `short`: half of a write. `delay`: by microseconds. `swallow`: a sync that is not done, as if it were not in the code.
 * `flip`: one bit of what is read.
 */
const ACTIONS = ['kill', 'kill-half', 'fail', 'short', 'delay', 'swallow', 'flip'] as const

export interface Rule {
  readonly action: (typeof ACTIONS)[number]
  readonly kinds: readonly Kind[]
  /** The n-th matching operation from now on, once; or, with `chance`, each by chance. */
  readonly after?: number
  /** 0 to 1. */
  readonly chance?: number
  /** The errno of `fail`, the microseconds of `delay`. */
  readonly value?: number
  /** Only files whose path ends so; at most 88 bytes. */
  readonly ending?: string
}

const HEADER_BYTES = 128
const RULE_BYTES = 128
const AFTER_AT = 16
const ENDING_BYTES = 88
export const RULES_MAX = 24
const AT = { operations: 0, seed: 16, skipSync: 24, space: 32 }
const PER_MILLION = 1_000_000

export class Control {
  readonly path: string
  readonly #file: number

  constructor(path: string) {
    this.path = path
    this.#file = openSync(path, 'w+')
    ftruncateSync(this.#file, HEADER_BYTES + RULES_MAX * RULE_BYTES)
    this.space = undefined
  }

  /** Operations that changed a file or a name, or tried to, so far. */
  get operations(): number {
    const bytes = Buffer.alloc(8)
    readSync(this.#file, bytes, 0, 8, AT.operations)
    return Number(bytes.readBigUInt64LE())
  }

  /** What the chances are drawn from. */
  set seed(seed: number) {
    this.#set(AT.seed, BigInt(seed))
  }

  /** True: syncs are recorded but not done, so that a slow disk costs nothing. */
  set skipsSync(skips: boolean) {
    this.#set(AT.skipSync, skips ? 1n : 0n)
  }

  /** Bytes by which files may still grow before ENOSPC; undefined: no bound. */
  set space(bytes: number | undefined) {
    this.#set(AT.space, bytes === undefined ? -1n : BigInt(bytes))
  }

  /** Puts these rules in place of those before. */
  set rules(rules: readonly Rule[]) {
    if (rules.length > RULES_MAX) throw new Error(`${rules.length} rules; ${RULES_MAX} fit`)
    const bytes = Buffer.alloc(RULES_MAX * RULE_BYTES)
    for (const [i, rule] of rules.entries()) formatRule(rule).copy(bytes, i * RULE_BYTES)
    writeSync(this.#file, bytes, 0, bytes.length, HEADER_BYTES)
  }

  /** How many matching operations are still to come before rule `i` fires; 0 once it has. */
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
