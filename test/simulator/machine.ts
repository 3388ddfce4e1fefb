/**
 * Replaces everything that is not deterministic, for all of `src`: timers and turns of the event loop become tasks of
 * the scheduler, and compression on other threads is done at once and returned in a later turn. The sources are unchanged.
 */

import { registerHooks } from 'node:module'
import * as zlib from 'node:zlib'
// Before timers are replaced.
import './real-turn.ts'
import type { Scheduler } from './scheduler.ts'

let current: Scheduler | undefined

/** The scheduler for timers from now on; undefined: no timer may be set. */
export function useScheduler(scheduler: Scheduler | undefined): void {
  current = scheduler
}

function scheduler(): Scheduler {
  if (current === undefined) throw new Error('BUG: a timer was set outside of a simulation')
  return current
}

/** What the timers of the gateway return. */
class Handle {
  stop: () => void = () => undefined
  unref(): this {
    return this
  }
  ref(): this {
    return this
  }
  hasRef(): boolean {
    return false
  }
  [Symbol.dispose](): void {
    this.stop()
  }
}

type Run = (...args: unknown[]) => void

function immediate(run: Run, ...args: unknown[]): Handle {
  const handle = new Handle()
  handle.stop = scheduler().turn('gateway', () => run(...args))
  return handle
}

function timeout(run: Run, ms = 0, ...args: unknown[]): Handle {
  const handle = new Handle()
  handle.stop = scheduler().after(Math.max(1, ms), 'gateway', () => run(...args))
  return handle
}

function interval(run: Run, ms = 0, ...args: unknown[]): Handle {
  const handle = new Handle()
  const again = (): void => {
    handle.stop = scheduler().after(Math.max(1, ms), 'gateway', () => {
      again()
      run(...args)
    })
  }
  again()
  return handle
}

const clear = (handle: Handle | undefined): void => handle?.stop()

/** Used by the modules that replace Node's: they are text, so they look it up here. */
const stand = {
  setImmediate: (value?: unknown): Promise<unknown> => new Promise((resolve) => immediate(() => resolve(value))),
  setTimeout: (ms?: number, value?: unknown): Promise<unknown> =>
    new Promise((resolve) => timeout(() => resolve(value), ms)),
  zlib: Object.fromEntries(
    ['zstdCompress', 'zstdDecompress', 'gzip', 'gunzip', 'inflate', 'deflate', 'brotliCompress'].map((name) => {
      const atOnce = (zlib as unknown as Record<string, (...args: unknown[]) => unknown>)[`${name}Sync`] as Run
      return [name, (...args: unknown[]) => later(atOnce, args)]
    }),
  ),
}

/** Calls back in a later turn with the result of the synchronous function. */
function later(atOnce: Run, args: unknown[]): void {
  const callback = args.pop() as (error: unknown, result?: unknown) => void
  immediate(() => {
    let result: unknown
    try {
      result = atOnce(...args)
    } catch (error) {
      callback(error)
      return
    }
    callback(null, result)
  })
}

const STAND = '__millraceSimulator'
const TIMERS = `const stand = globalThis.${STAND}
export const setImmediate = stand.setImmediate
export const setTimeout = stand.setTimeout`
const ZLIB = `export * from 'node:zlib'
const { ${Object.keys(stand.zlib).join(', ')} } = globalThis.${STAND}.zlib
export { ${Object.keys(stand.zlib).join(', ')} }`
const MODULES: Readonly<Record<string, string>> = { 'node:timers/promises': TIMERS, 'node:zlib': ZLIB }

/** A change of the sources that the simulation must detect: `was` occurs exactly once in the file, and becomes `is`. */
export interface Mutation {
  /** Relative to the checkout. */
  readonly file: string
  readonly was: string
  readonly is: string
}

/** Call it before importing anything from `src`. */
export function replaceMachine(mutations: readonly Mutation[] = []): void {
  Object.assign(globalThis, {
    [STAND]: stand,
    setImmediate: immediate,
    setTimeout: timeout,
    setInterval: interval,
    clearImmediate: clear,
    clearTimeout: clear,
    clearInterval: clear,
  })
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier in MODULES && context.parentURL?.includes('/src/') === true
        ? { url: `simulator:${specifier}`, format: 'module', shortCircuit: true }
        : next(specifier, context),
    load: (url, context, next) => {
      if (url.startsWith('simulator:')) {
        return { format: 'module', source: MODULES[url.slice('simulator:'.length)] as string, shortCircuit: true }
      }
      const loaded = next(url, context)
      const own = mutations.filter(({ file }) => url.endsWith(`/${file}`))
      return own.length === 0 ? loaded : { ...loaded, source: own.reduce(mutate, String(loaded.source)) }
    },
  })
}

function mutate(source: string, { file, was, is }: Mutation): string {
  const parts = source.split(was)
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} places for the mutation, not one: ${was}`)
  return parts.join(is)
}
