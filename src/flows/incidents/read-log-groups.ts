/** Reads log groups from where the last round stopped, and raises incidents for what is in them. */

import type { IncidentStore, LogGroupEvent, LogGroupReader } from '../../ports/incidents.ts'
import { type CloudWatchParts, type GroupEvents, raiseCloudWatch } from './raise-cloudwatch.ts'

export interface GroupRounds extends CloudWatchParts {
  readonly reader: LogGroupReader
  readonly cursors: Pick<IncidentStore, 'readCursor' | 'writeCursor'>
  readonly logGroups: readonly string[]
  /** Told of a group that could not be read; the next round tries again. Must not throw. */
  readonly onFailure: (logGroup: string, cause: unknown) => void
}

/** Events are found up to this long after their time; those that are read twice so are known by their ids. */
const LATE_MS = 2 * 60_000
/** After a long stop, what is older is left: CloudWatch's own subscriptions try for no longer. */
const BEHIND_MS_MAX = 24 * 3600_000

/** One round over all groups. A group that fails does not hold up the others. Never rejects. */
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
  const { reader, cursors, clock } = parts
  const toMs = clock.nowMs()
  const name = `log-group ${logGroup}`
  const cursor = await cursors.readCursor(name)
  // The first round begins now: yesterday's errors are nobody's news.
  // A clock that was set back since is not waited for.
  const readMs = Math.min(cursor === undefined ? toMs : Number(cursor), toMs)
  const fromMs = Math.max(readMs - LATE_MS, toMs - BEHIND_MS_MAX)
  if (cursor !== undefined) {
    for await (const events of reader.read(logGroup, fromMs, toMs)) {
      await raiseCloudWatch(parts, byStream(logGroup, events))
    }
  }
  await cursors.writeCursor(name, String(toMs))
}

function byStream(logGroup: string, events: readonly LogGroupEvent[]): readonly GroupEvents[] {
  const streams = new Map<string, LogGroupEvent[]>()
  for (const event of events) {
    const known = streams.get(event.logStream)
    if (known === undefined) streams.set(event.logStream, [event])
    else known.push(event)
  }
  return [...streams].map(([logStream, ofStream]) => ({ logGroup, logStream, events: ofStream }))
}
