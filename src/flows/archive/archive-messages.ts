/** Archives messages of the log queue: one object per hour, and each message succeeds or fails on its own. */

import type { ArchivePart } from '../../domain/entries/archive-part.ts'
import { GatewayError } from '../../domain/errors.ts'

/** A message received from the queue. */
export interface QueuedMessage {
  readonly id: string
  readonly body: string
  /** String attributes. */
  readonly attributes: ReadonlyMap<string, string>
  /** How often it was received, including this time. */
  readonly receives: number
}

/** Parts of one hour that become one object, concatenated in this order. */
export interface ArchiveObject {
  readonly oldest: bigint
  readonly newest: bigint
  readonly parts: readonly ArchivePart[]
}

/** Events for the log and metrics. Must not throw. */
export interface ArchiveReports {
  /** The object is durable. */
  archived(object: ArchiveObject): void
  /** The message stays in the queue and is redelivered. */
  failed(message: QueuedMessage, error: GatewayError): void
  /** The message can never be archived, and was moved to the dead letters with the reason. */
  buried(message: QueuedMessage, error: GatewayError): void
}

export interface ArchiveParts {
  /** Rejects with body_malformed or body_too_large for an unreadable message. */
  decode(message: QueuedMessage): Promise<readonly ArchivePart[]>
  /** Resolves when the object is durable; the same parts write the same object. */
  write(object: ArchiveObject): Promise<void>
  /** Moves a message to the dead letters with the reason, and resolves when it is stored; undefined without a queue for them. */
  bury?(message: QueuedMessage, reason: GatewayError): Promise<void>
  readonly reports: ArchiveReports
}

/** Ids of messages; each message is in one of the two sets. */
export interface ArchiveOutcome {
  /** Messages to delete: their lines are durable, or they were moved to the dead letters. */
  readonly done: ReadonlySet<string>
  /** Messages to receive again. */
  readonly failed: ReadonlySet<string>
}

/** Concurrent writes; a delivery usually has one or two objects. */
const WRITES_AT_ONCE = 8

/**
 * Archives the messages of one delivery. A message that is unreadable, or whose hour could not be written, fails alone.
 * Never rejects.
 *
 * A message that is redelivered with the same other messages writes the same object. With different ones its lines are in
 * two objects, and readers deduplicate them by id.
 */
export async function archiveMessages(messages: readonly QueuedMessage[], work: ArchiveParts): Promise<ArchiveOutcome> {
  const failed = new Set<string>()
  const decoded: DecodedMessage[] = []
  for (const message of messages) {
    const parts = await decodeOrBury(message, work)
    if (parts === 'retry') failed.add(message.id)
    else decoded.push({ message, parts })
  }
  const faults = await writeHours(groupByHour(decoded), work)
  for (const { message, parts } of decoded) {
    const error = parts.map(({ hour }) => faults.get(hour)).find((fault) => fault !== undefined)
    if (error === undefined) continue
    failed.add(message.id)
    work.reports.failed(message, error)
  }
  const done = new Set(messages.map(({ id }) => id).filter((id) => !failed.has(id)))
  return { done, failed }
}

interface DecodedMessage {
  readonly message: QueuedMessage
  /** Empty for a message that was moved to the dead letters. */
  readonly parts: readonly ArchivePart[]
}

async function decodeOrBury(
  message: QueuedMessage,
  { decode, bury, reports }: ArchiveParts,
): Promise<readonly ArchivePart[] | 'retry'> {
  try {
    return await decode(message)
  } catch (cause) {
    const reason = asGatewayError(cause)
    const isHopeless = reason.code === 'body_malformed' || reason.code === 'body_too_large'
    if (isHopeless && bury !== undefined) {
      try {
        await bury(message, reason)
        reports.buried(message, reason)
        return []
      } catch {
        // After enough receives SQS moves it there without a reason, which is in the log.
      }
    }
    reports.failed(message, reason)
    return 'retry'
  }
}

/** Groups the parts by hour, without duplicates and independent of the order of delivery. */
function groupByHour(decoded: readonly DecodedMessage[]): ReadonlyMap<number, readonly ArchivePart[]> {
  const byHour = new Map<number, Map<string, ArchivePart>>()
  for (const part of decoded.flatMap(({ parts }) => parts)) {
    const ofHour = byHour.get(part.hour)
    if (ofHour === undefined) byHour.set(part.hour, new Map([[part.digest, part]]))
    else ofHour.set(part.digest, part)
  }
  const sorted = (parts: Iterable<ArchivePart>) => Array.from(parts).sort((a, b) => (a.digest < b.digest ? -1 : 1))
  return new Map(Array.from(byHour, ([hour, parts]) => [hour, sorted(parts.values())]))
}

/** Returns the hours that could not be written, with the reasons. */
async function writeHours(
  byHour: ReadonlyMap<number, readonly ArchivePart[]>,
  work: ArchiveParts,
): Promise<ReadonlyMap<number, GatewayError>> {
  const faults = new Map<number, GatewayError>()
  const hours = Array.from(byHour)
  const writeNext = async (): Promise<void> => {
    for (let next = hours.pop(); next !== undefined; next = hours.pop()) {
      const [hour, parts] = next
      const object = makeObject(parts)
      try {
        await work.write(object)
        work.reports.archived(object)
      } catch (cause) {
        faults.set(hour, asGatewayError(cause))
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(WRITES_AT_ONCE, hours.length) }, writeNext))
  return faults
}

function makeObject(parts: readonly ArchivePart[]): ArchiveObject {
  let [{ oldest, newest }] = parts as readonly [ArchivePart]
  for (const part of parts) {
    if (part.oldest < oldest) oldest = part.oldest
    if (part.newest > newest) newest = part.newest
  }
  return { oldest, newest, parts }
}

function asGatewayError(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause
  return new GatewayError('internal', 'a message could not be archived; the queue redelivers it', { cause })
}
