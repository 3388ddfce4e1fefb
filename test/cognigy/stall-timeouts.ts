/** Time-outs that are over when the server stalls, and not before: no test waits for one. */

export class StallTimeouts {
  readonly #running = new Set<AbortController>()

  /** For the client. */
  readonly signalAfter = (): AbortSignal => {
    const controller = new AbortController()
    this.#running.add(controller)
    return controller.signal
  }

  /** For the server: the requests under way are timed out. */
  readonly expire = (): void => {
    for (const controller of this.#running) controller.abort(new DOMException('The server stalls', 'TimeoutError'))
    this.#running.clear()
  }
}
