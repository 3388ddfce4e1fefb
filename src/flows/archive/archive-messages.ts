/** Messages of the log queue into the archive: one object an hour, and each message succeeds or fails by itself. */

import type { ArchivePart } from '../../domain/entries/archive-part.ts'
import { GatewayError } from '../../domain/errors.ts'

/** A message as the queue gives it. */
export interface QueuedMessage {
  readonly id: string
  readonly body: string
  /** Its attributes that are texts. */
  readonly attributes: ReadonlyMap<string, string>
  /** How often it was received, this time included. */
  readonly receives: number
}

/** Parts of one hour that become one object: its bytes are theirs, in this order. */
export interface ArchiveObject {
  readonly oldest: bigint
  readonly newest: bigint
  readonly parts: readonly ArchivePart[]
}

/** What happens to messages, for the log and the metrics. Must not throw. */
export interface ArchiveReports {
  /** Counted once the object is durable. */
  archived(object: ArchiveObject): void
  /** The message stays in the queue and comes again. */
  failed(message: QueuedMessage, error: GatewayError): void
  /** The message can never be archived: it was put aside with the reason. */
  buried(message: QueuedMessage, error: GatewayError): void
}

export interface ArchiveParts {
  /** Rejects with body_malformed or body_too_large for a message that can never be read. */
  decode(message: QueuedMessage): Promise<readonly ArchivePart[]>
  /** Resolves when the object is durable; the same parts give the same object. */
  write(object: ArchiveObject): Promise<void>
  /** Puts a message aside, with the reason; absent where there is no place for it. Resolves when it is kept there. */
  bury?(message: QueuedMessage, reason: GatewayError): Promise<void>
  readonly reports: ArchiveReports
}

/** Ids of messages. Each message given is in one of the two. */
export interface ArchiveOutcome {
  /** All of their lines are durable, or they were put aside: to be deleted. */
  readonly done: ReadonlySet<string>
  /** To be received again. */
  readonly failed: ReadonlySet<string>
}

/** Objects that are written at a time; a delivery mostly has one or two. */
const WRITES_AT_ONCE = 8

/**
 * Archives the messages of one delivery. One that cannot be read, or whose hour could not be written, fails alone.
 * Never rejects.
 *
 * A message that comes again makes the same object when it comes with the same others; with others, its lines lie in
 * two objects, and readers know them by their ids.
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
  /** Empty for a message that was put aside. */
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
        // Received often enough, it comes to the same place without its reason; the log has it.
      }
    }
    reports.failed(message, reason)
    return 'retry'
  }
}

/** By hour; what was delivered twice is taken once, and the order of delivery does not show. */
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

/** The hours that could not be written, each with the reason. */
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
  return new GatewayError('internal', 'a message could not be archived; it comes again', { cause })
}
