/** Logs the events of a store. */

export interface StoreLog {
  error(facts: object, text: string): void
  info?(facts: object, text: string): void
}

/** Events that a store reports. */
export interface StoreReports {
  /** A commit took this many milliseconds. */
  committed(ms: number): void
  writeFailed(cause: unknown): void
  blockDamaged(blockId: number, cause: unknown): void
  maintenanceFailed(cause: unknown): void
  limitsChanged(tenants: number): void
  limitsRefused(cause: unknown): void
}

/** Logs the first of consecutive failed commits, and the success that ends them. */
export function logStore(log: StoreLog): StoreReports {
  // Agents keep pushing while the disk is full: logging every failed commit would flood the log, on a full disk.
  let isFailing = false
  return {
    committed: () => {
      if (isFailing) log.info?.({}, 'commits succeed again')
      isFailing = false
    },
    writeFailed: (cause) => {
      if (!isFailing) log.error({ err: cause }, 'a commit failed; pushes are rejected until one succeeds')
      isFailing = true
    },
    blockDamaged: (blockId, cause) => log.error({ blockId, err: cause }, 'a stored block cannot be read'),
    maintenanceFailed: (cause) => log.error({ err: cause }, 'maintenance failed; the next round retries'),
    limitsChanged: (tenants) => log.info?.({ tenants }, 'tenant limits changed'),
    limitsRefused: (cause) =>
      log.error({ err: cause }, 'the changed tenant limits are invalid; keeping the previous limits'),
  }
}
