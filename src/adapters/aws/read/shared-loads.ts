/** Work shared by several readers: done once, and aborted when the last of them has left. */

interface Load<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  waiting: number
}

export class SharedLoads<T> {
  readonly #loads = new Map<string, Load<T>>()

  /**
   * Returns the result of the running work `name`, or else starts it with `start`, whose signal is aborted when no one
   * waits any more. Rejects like the work, or with the reason of `signal`.
   */
  async join(name: string, start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    const load = this.#loads.get(name) ?? this.#begin(name, start)
    load.waiting++
    try {
      return await unlessAborted(load.result, signal)
    } finally {
      load.waiting--
      if (load.waiting === 0) this.#forget(name, load)
    }
  }

  #begin(name: string, start: (signal: AbortSignal) => Promise<T>): Load<T> {
    const controller = new AbortController()
    const load = { controller, waiting: 0, result: start(controller.signal) }
    this.#loads.set(name, load)
    return load
  }

  #forget(name: string, load: Load<T>): void {
    if (this.#loads.get(name) === load) this.#loads.delete(name)
    load.controller.abort()
  }
}

/** The outcome of the promise, or a rejection with the reason of `signal` if it is aborted first. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  // A reader that has left ignores a later failure.
  promise.catch(() => undefined)
  signal.throwIfAborted()
  let leave: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (leave !== undefined) signal.removeEventListener('abort', leave)
  }
}
