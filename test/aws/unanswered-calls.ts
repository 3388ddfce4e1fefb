/**
 * Timeouts that expire exactly when the fault proxy leaves a call without a response, so that no test waits for them.
 */

import { NodeHttpHandler } from '@smithy/node-http-handler'

type Handle = NodeHttpHandler['handle']

/** Identifies the call to the proxy. */
export const CALL_HEADER = 'x-test-call'

export class UnansweredCalls {
  readonly #running = new Map<string, AbortController>()
  #count = 0

  /** For SDK clients; each needs its own. */
  makeHandler(): NodeHttpHandler {
    const begin = (): { id: string; controller: AbortController } => {
      const id = String(++this.#count)
      const controller = new AbortController()
      this.#running.set(id, controller)
      return { id, controller }
    }
    const end = (id: string): boolean => this.#running.delete(id)
    return new (class extends NodeHttpHandler {
      override async handle(...[request, options]: Parameters<Handle>): ReturnType<Handle> {
        const { id, controller } = begin()
        request.headers[CALL_HEADER] = id
        try {
          return await super.handle(request, { ...options, abortSignal: controller.signal })
        } catch (cause) {
          if (!controller.signal.aborted) throw cause
          // The same rejection as by the SDK's own timeout.
          throw Object.assign(new Error('the request timed out'), { name: 'TimeoutError' })
        } finally {
          end(id)
        }
      }
    })()
  }

  /** For the proxy. */
  readonly expire = (id: string | undefined): void => {
    if (id !== undefined) this.#running.get(id)?.abort()
  }
}
