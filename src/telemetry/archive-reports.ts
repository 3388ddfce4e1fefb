/** What the queue's worker tells of its work: lines of the log, and counts. Never anything of what is in a message. */

import type { ArchivePart } from '../domain/entries/archive-part.ts'
import type { GatewayError } from '../domain/errors.ts'
import type { ArchiveObject, ArchiveReports, QueuedMessage } from '../flows/archive/archive-messages.ts'
import type { Total } from './emf.ts'

export interface WorkerLog {
  debug(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

export class WorkerReports implements ArchiveReports {
  readonly #log: WorkerLog
  #entries = 0
  #lineBytes = 0
  #objectBytes = 0
  #objects = 0
  #errors = 0
  #buried = 0

  constructor(log: WorkerLog) {
    this.#log = log
  }

  archived({ parts }: ArchiveObject): void {
    const sumOf = (count: (part: ArchivePart) => number): number => parts.reduce((sum, part) => sum + count(part), 0)
    const entries = sumOf((part) => part.entries)
    const bytes = sumOf((part) => part.content.length)
    this.#objects++
    this.#entries += entries
    this.#objectBytes += bytes
    this.#lineBytes += sumOf((part) => part.lineBytes)
    this.#log.debug({ messages: parts.length, entries, bytes }, 'an object was written')
  }

  failed({ id, receives }: QueuedMessage, error: GatewayError): void {
    this.#errors++
    this.#log.warn({ messageId: id, receives, code: error.code, err: error }, 'a message failed; it comes again')
  }

  buried({ id }: QueuedMessage, { code, message }: GatewayError): void {
    this.#errors++
    this.#buried++
    const text = 'a message cannot be read; it went to the dead letters, see `millrace redrive --dry-run`'
    this.#log.error({ messageId: id, code, reason: message }, text)
  }

  /** The queue could not be asked. */
  receiveFailed(error: GatewayError): void {
    this.#errors++
    this.#log.warn({ code: error.code, err: error }, 'the queue gave no messages; it is asked again')
  }

  /** Messages that are archived and stay in the queue: their lines will be archived once more. */
  removeFailed(count: number): void {
    this.#errors++
    this.#log.warn({ messages: count }, 'archived messages could not be deleted; they come again')
  }

  readonly totals = async (): Promise<readonly Total[]> => [
    { name: 'ProcessedLogCount', unit: 'Count', value: this.#entries },
    { name: 'ProcessedBytes', unit: 'Bytes', value: this.#lineBytes },
    { name: 'ArchivedBytes', unit: 'Bytes', value: this.#objectBytes },
    { name: 'ArchivedObjectCount', unit: 'Count', value: this.#objects },
    { name: 'ProcessingErrors', unit: 'Count', value: this.#errors },
    { name: 'BuriedMessageCount', unit: 'Count', value: this.#buried },
  ]
}
