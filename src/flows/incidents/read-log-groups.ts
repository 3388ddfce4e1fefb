/** Reads log groups from their cursors, and counts their error lines. */

import { GatewayError } from '../../domain/errors.ts'
import type { IncidentStore, LogGroupEvent, LogGroupReader } from '../../ports/incidents.ts'
import { countGroups, type GroupEvents, type GroupParts } from './count-log-group.ts'
import { formatGroupCursor, type GroupCursor, parseGroupCursor } from './group-cursor.ts'

export interface GroupRounds extends GroupParts {
  readonly reader: LogGroupReader
  readonly cursors: Pick<IncidentStore, 'readCursor'>
  readonly logGroups: readonly string[]
  /** Called for a group that could not be read; the next round retries. Must not throw. */
  readonly onFailure: (logGroup: string, cause: unknown) => void
}

/** Events may appear up to this long after their time; events that are read again are recognised by their ids. */
const LATE_MS = 2 * 60_000
/** After a long outage older events are skipped; CloudWatch's own subscriptions also retry for only a day. */
const BEHIND_MS_MAX = 24 * 3600_000
/** Maximum number of remembered event ids of a group, the newest: they are written with every page. */
const REMEMBERED_MAX = 8_192

/** One round over all groups. A failing group does not affect the others. Never rejects. */
export async function readLogGroups(parts: GroupRounds): Promise<void> {
  for (const logGroup of parts.logGroups) {
    try {
      await readGroup(parts, logGroup)
    } catch (cause) {
      parts.onFailure(logGroup, cause)
    }
  }
}

async function readGroup(parts: GroupRounds, logGroup: string): Promise<void> {
  const { reader, cursors, clock, hash } = parts
  const toMs = clock.nowMs()
  const name = `log-group ${logGroup}`
  const nameOf = ({ logStream, id }: LogGroupEvent): string => hash([logStream, id]).slice(0, 16)
  let text = await cursors.readCursor(name)
  const move = async (groups: readonly GroupEvents[], next: GroupCursor): Promise<void> => {
    const to = formatGroupCursor(next)
    const { isNew } = await countGroups(parts, groups, { name, from: text, to })
    if (!isNew) throw new GatewayError('state_conflict', 'another process reads this log group; the next round goes on')
    text = to
  }
  // The first round starts now; earlier errors are not counted.
  if (text === undefined) return move([], { ms: toMs, seen: [] })
  const cursor = parseGroupCursor(text)
  // If the clock was set back since, continue from the current time.
  const readMs = Math.min(cursor.ms, toMs)
  const seen = new Set(cursor.seen)
  for await (const events of reader.read(logGroup, Math.max(readMs - LATE_MS, toMs - BEHIND_MS_MAX), toMs)) {
    const fresh = events.filter((event) => !seen.has(nameOf(event)))
    if (fresh.length === 0) continue
    for (const event of fresh) seen.add(nameOf(event))
    await move(byStream(logGroup, fresh), { ms: cursor.ms, seen: [...seen].slice(-REMEMBERED_MAX) })
  }
  await move([], { ms: toMs, seen: [...seen].slice(-REMEMBERED_MAX) })
}

function byStream(logGroup: string, events: readonly LogGroupEvent[]): readonly GroupEvents[] {
  const streams = Map.groupBy(events, ({ logStream }) => logStream)
  return [...streams].map(([logStream, ofStream]) => ({ logGroup, logStream, events: ofStream }))
}
