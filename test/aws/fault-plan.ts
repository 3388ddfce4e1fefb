/** Decides which calls fail, and how. */

import type { Random } from '../support/random.ts'
import type { ServiceName } from './endpoints.ts'

/** The kinds of faults: in the first two groups the service does not get the call, in the third it executes it. */
export const FAULT_KINDS = [
  'throttle',
  'serverError',
  'noAnswer',
  'cutBefore',
  // executed, but the caller cannot know
  'cutAfter',
  'serverErrorAfter',
  // executed partly or late
  'partial',
  'delay',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Call {
  readonly service: ServiceName
  /** The service's name for it, such as PutRecordBatch. */
  readonly operation: string
}

/** Decides on a call; undefined lets it pass. */
export type FaultPlan = (call: Call) => FaultKind | undefined

/** Lets all calls pass. */
export const CALM: FaultPlan = () => undefined

export interface Outages {
  /** Probability that a call starts an outage of its service. */
  readonly chance: number
  /** Maximum number of calls in an outage. */
  readonly callsMax: number
}

export type FaultChances = Readonly<Partial<Record<FaultKind, number>>>

/** Random faults, each kind with its own probability from 0 to 1; their sum must not exceed 1. */
export function randomFaults(random: Random, chances: FaultChances): FaultPlan {
  return () => {
    let left = random.next()
    return FAULT_KINDS.find((kind) => {
      left -= chances[kind] ?? 0
      return left < 0
    })
  }
}

/**
 * The plan, but first each kind of fault occurs on a call that it applies to, and then on a call of each service: so a
 * short storm has all of them, in any order of calls. `partial` only applies to `canSplit` operations.
 */
export function withEach(plan: FaultPlan, canSplit: (operation: string) => boolean): FaultPlan {
  const kinds = new Set<FaultKind>(FAULT_KINDS)
  const services = new Set<ServiceName>()
  return (call) => {
    const kind = [...kinds].find((each) => each !== 'partial' || canSplit(call.operation))
    if (kind !== undefined) {
      kinds.delete(kind)
      services.add(call.service)
      return kind
    }
    if (services.has(call.service)) return plan(call)
    services.add(call.service)
    return 'throttle'
  }
}

/** The plan, but occasionally one service rejects everything for a while. */
export function withOutages(random: Random, plan: FaultPlan, { chance, callsMax }: Outages): FaultPlan {
  const left = new Map<string, number>()
  return (call) => {
    const calls = left.get(call.service) ?? 0
    if (calls > 0) {
      left.set(call.service, calls - 1)
      return random.chance(0.5) ? 'throttle' : 'serverError'
    }
    if (random.chance(chance)) left.set(call.service, 1 + random.integer(callsMax))
    return plan(call)
  }
}
