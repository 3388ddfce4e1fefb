/** Calls whose time-out is over when the fault proxy leaves them without an answer, and not before: nothing waits for it. */

import { NodeHttpHandler } from '@smithy/node-http-handler'

type Handle = NodeHttpHandler['handle']

/** Names the call from the client to the proxy. */
export const CALL_HEADER = 'x-test-call'

export class UnansweredCalls {
  readonly #running = new Map<string, AbortController>()
  #count = 0

  /** For SDK clients; each needs one of its own. */
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
          // As the SDK's own time-out rejects.
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
