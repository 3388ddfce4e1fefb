/** What the labels of a pushed stream say about it, kept with arrays of labels that come again. */

import { formatLabels, type Label, type Labels } from '../labels.ts'
import { levelOfLabels } from '../levels/level.ts'
import type { PushLimits } from '../limits.ts'
import { withServiceName } from './service-name.ts'

export interface StreamFacts {
  /** The labels as received, sorted, without empty values. */
  readonly received: Labels
  /** formatLabels(received). */
  readonly ownKey: string
  /** False if a name or value contains half a surrogate pair. */
  readonly isWellFormed: boolean
  /** The labels including a derived service_name. */
  readonly complete: Labels
  /** formatLabels(complete), the identity of the stream. */
  readonly key: string
  /** The level according to the labels. */
  readonly level: string | undefined
  /** The limits that the labels were found to keep, so that they are not checked again. */
  accepted: { readonly limits: PushLimits; readonly labelCountMax: number } | undefined
}

/** Facts with a derived service_name, and without one. They live as long as the array of labels. */
const KEPT = [new WeakMap<readonly Label[], StreamFacts>(), new WeakMap<readonly Label[], StreamFacts>()] as const

/** The facts kept with this array of labels. */
export function keptFacts(labels: readonly Label[], discoverServiceName: boolean): StreamFacts | undefined {
  return KEPT[discoverServiceName ? 0 : 1].get(labels)
}

/** Keeps the facts with an array that is passed again, unchanged, for the same labels. */
export function keepFacts(labels: readonly Label[], facts: StreamFacts, discoverServiceName: boolean): void {
  KEPT[discoverServiceName ? 0 : 1].set(labels, facts)
}

/** `received`: sorted by sortLabels; `ownKey`: formatLabels(received). */
export function deriveFacts(received: Labels, ownKey: string, discoverServiceName: boolean): StreamFacts {
  const complete = discoverServiceName ? withServiceName(received) : received
  return {
    received,
    ownKey,
    isWellFormed: received.every(({ name, value }) => name.isWellFormed() && value.isWellFormed()),
    complete,
    key: complete === received ? ownKey : formatLabels(complete),
    level: levelOfLabels(received),
    accepted: undefined,
  }
}
