/** What alert rules and anomalies need from outside: the rules, and a place for what they remember. */

import type { RuleGroup } from '../domain/rules/alert-rule.ts'
import type { IncidentStore } from './incidents.ts'

/** The rules of all tenants; they may change while the gateway runs. */
export interface RuleSource {
  /** From memory, in the order of tenants, files and groups. No two of one tenant, namespace and name. */
  list(): readonly RuleGroup[]
}

/**
 * Texts that outlive a restart, each under a name: what resolved is durable. Both reject with store_unavailable. Every
 * store of incidents is one.
 */
export type StateStore = Pick<IncidentStore, 'readCursor' | 'writeCursor'>
