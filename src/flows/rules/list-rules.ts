/** Lists the rules of a tenant with their states. */

import type { RuleGroup } from '../../domain/rules/alert-rule.ts'
import { fitState, type GroupState, parseGroupState, stateNameOf } from '../../domain/rules/rule-state.ts'
import type { RuleSource, StateStore } from '../../ports/rules.ts'

export interface ListedGroup {
  readonly group: RuleGroup
  readonly state: GroupState
}

/** In the order of the source. Rejects with store_unavailable. */
export async function listRules(
  { source, states }: { readonly source: RuleSource; readonly states: StateStore },
  tenant: string,
): Promise<readonly ListedGroup[]> {
  const groups = source.list().filter((group) => group.tenant === tenant)
  const listed: ListedGroup[] = []
  for (const group of groups) {
    listed.push({ group, state: fitState(parseGroupState(await states.readCursor(stateNameOf(group))), group).state })
  }
  return listed
}
