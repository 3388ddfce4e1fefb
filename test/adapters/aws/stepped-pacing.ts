/** Time for the tests of retries: it advances only by waits. */

import type { Pacing } from '../../../src/adapters/aws/retry.ts'

/** Waits end immediately, are recorded, and advance the clock. */
export class SteppedPacing implements Pacing {
  readonly waits: number[] = []
  #ms = 0
  readonly #share: number

  /** `share` is the constant result of `random`. */
  constructor(share = 1) {
    this.#share = share
  }

  monotonicMs(): number {
    return this.#ms
  }

  wait = (ms: number): Promise<void> => {
    this.waits.push(ms)
    this.#ms += ms
    return Promise.resolve()
  }

  random = (): number => {
    return this.#share
  }
}

/** An error like those thrown by the SDK. */
export function awsError(name: string, httpStatusCode = 400, $fault: 'client' | 'server' = 'client'): Error {
  return Object.assign(new Error(`the text of ${name}`), { name, $fault, $metadata: { httpStatusCode } })
}
