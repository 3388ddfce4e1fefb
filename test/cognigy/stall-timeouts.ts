/** Timeouts that expire exactly when the server stalls, so that no test waits for one. */

export class StallTimeouts {
  readonly #running = new Set<AbortController>()

  /** For the client. */
  readonly signalAfter = (): AbortSignal => {
    const controller = new AbortController()
    this.#running.add(controller)
    return controller.signal
  }

  /** For the server: expires the timeouts of the current requests. */
  readonly expire = (): void => {
    for (const controller of this.#running) controller.abort(new DOMException('The server stalls', 'TimeoutError'))
    this.#running.clear()
  }
}
