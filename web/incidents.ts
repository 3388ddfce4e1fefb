/** Where an incident leads: to the lines around it, of its own labels, all levels, what led to it included. */

import type { Incident } from './api/incidents.ts'
import { type Matcher, readQuestion, writeMatchers } from './query/chips.ts'
import { hrefOf } from './router.ts'

const BEFORE_MS = 300_000
const AFTER_MS = 60_000
/** An incident may go on for months: its newest lines are what is looked at. */
const RANGE_MS_MAX = 86_400_000

export function rangeOf({ firstSeen, lastSeen }: Incident): { from: string; to: string } {
  const end = Date.parse(lastSeen) + AFTER_MS
  const start = Math.max(Date.parse(firstSeen) - BEFORE_MS, end - RANGE_MS_MAX)
  return { from: new Date(start).toISOString(), to: new Date(end).toISOString() }
}

/** Undefined where the lines are not in this gateway. */
export function aroundHref(incident: Incident): string | undefined {
  const matchers = matchersOf(incident)
  if (matchers.length === 0) return undefined
  return hrefOf('logs', { q: writeMatchers(matchers), ...rangeOf(incident), rare: '1' })
}

export const linesHref = (incident: Incident): string | undefined =>
  incident.query === undefined ? undefined : hrefOf('logs', { q: incident.query, ...rangeOf(incident) })

function matchersOf({ labels, query }: Incident): readonly Matcher[] {
  const asked = query === undefined ? undefined : readQuestion(query)
  if (asked !== undefined) return asked.matchers
  const names = ['service_name', 'app', 'job'].filter((name) => labels[name] !== undefined)
  return query === undefined ? [] : names.slice(0, 1).map((name) => ({ name, op: '=', value: labels[name] ?? '' }))
}
