/** LiveFeed within one process. */

import type { Batch } from '../../domain/entries/batch.ts'
import type { BatchListener, LiveFeed } from '../../ports/log-store.ts'

export class LocalFeed implements LiveFeed {
  readonly #listeners = new Map<string, Set<BatchListener>>()

  publish(batch: Batch): void {
    const listeners = this.#listeners.get(batch.tenant)
    if (listeners === undefined) return
    for (const listener of [...listeners]) listener(batch)
  }

  subscribe(tenant: string, listener: BatchListener): () => void {
    const listeners = this.#listeners.get(tenant) ?? new Set<BatchListener>()
    this.#listeners.set(tenant, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(tenant) === listeners) this.#listeners.delete(tenant)
    }
  }
}
