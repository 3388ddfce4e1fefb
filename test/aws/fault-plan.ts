/** Which calls go wrong, and how. */

import type { Random } from '../support/random.ts'
import type { ServiceName } from './endpoints.ts'

/** What may happen to a call; the first two groups never reach the service, the third was carried out. */
export const FAULT_KINDS = [
  'throttle',
  'serverError',
  'noAnswer',
  'cutBefore',
  // carried out, and the caller cannot know
  'cutAfter',
  'serverErrorAfter',
  // carried out, in part or late
  'partial',
  'delay',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Call {
  readonly service: ServiceName
  /** As the service names it, such as PutRecordBatch. */
  readonly operation: string
}

/** Decides over one call; undefined lets it pass. */
export type FaultPlan = (call: Call) => FaultKind | undefined

/** Lets everything pass. */
export const CALM: FaultPlan = () => undefined

export interface Outages {
  /** That a call begins an outage of its service. */
  readonly chance: number
  /** How many calls an outage lasts, at most. */
  readonly callsMax: number
}

export type FaultChances = Readonly<Partial<Record<FaultKind, number>>>

/** Faults at random: each kind with its own chance from 0 to 1; together they must not pass 1. */
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
 * The plan, after each kind of fault has met a call that it can meet, and then a call of each service: so that a short
 * storm has them all, however the machine orders its calls. A `partial` meets `canSplit` operations only.
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

/** The plan, but now and then one service refuses everything for a while. */
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
