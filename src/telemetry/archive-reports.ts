/** Log lines and metrics of the queue worker. Never contains message content. */

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
    this.#log.debug({ messages: parts.length, entries, bytes }, 'wrote an object')
  }

  failed({ id, receives }: QueuedMessage, error: GatewayError): void {
    this.#errors++
    this.#log.warn(
      { messageId: id, receives, code: error.code, err: error },
      'archiving a message failed; the queue redelivers it',
    )
  }

  buried({ id }: QueuedMessage, { code, message }: GatewayError): void {
    this.#errors++
    this.#buried++
    const text = 'moved an unreadable message to the dead letters; list them with `millrace redrive --dry-run`'
    this.#log.error({ messageId: id, code, reason: message }, text)
  }

  /** Receiving from the queue failed. */
  receiveFailed(error: GatewayError): void {
    this.#errors++
    this.#log.warn({ code: error.code, err: error }, 'receiving from the queue failed; retrying')
  }

  /** Archived messages that could not be deleted from the queue: their lines will be archived again. */
  removeFailed(count: number): void {
    this.#errors++
    this.#log.warn({ messages: count }, 'deleting archived messages failed; the queue redelivers them')
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
