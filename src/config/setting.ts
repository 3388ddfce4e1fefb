/** A setting: its variable, kind, default and help text. */

import type { Kind } from './kinds.ts'

export interface Setting<T> {
  readonly variable: string
  readonly kind: Kind<T>
  readonly default: T
  readonly help: string
}

export type SettingsOf<T> = { readonly [K in keyof Required<T>]: Setting<T[K]> }

/** The setting `MILLRACE_<name>`. */
export function setting<T>(name: string, kind: Kind<T>, initial: NoInfer<T>, help: string): Setting<T> {
  return { variable: `MILLRACE_${name}`, kind, default: initial, help }
}
