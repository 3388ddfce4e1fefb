/** The ports of alert rules and anomalies: the rules, and a store for their state. */

import type { RuleGroup } from '../domain/rules/alert-rule.ts'
import type { IncidentStore } from './incidents.ts'

/** The rules of all tenants, which may change at run time. */
export interface RuleSource {
  /** From memory, in the order of tenants, files and groups; unique by tenant, namespace and name. */
  list(): readonly RuleGroup[]
}

/**
 * Persistent texts by name; a resolved write is durable. Both reject with store_unavailable. Every incident store is a
 * state store.
 */
export type StateStore = Pick<IncidentStore, 'readCursor' | 'writeCursor'>
