/** Time for the tests of retries: it goes on only by what is waited for. */

import type { Pacing } from '../../../src/adapters/aws/retry.ts'

/** Waits end at once, and are remembered; the clock shows them. */
export class SteppedPacing implements Pacing {
  readonly waits: number[] = []
  #ms = 0
  readonly #share: number

  /** `share`: what `random` always gives. */
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

/** An error as the SDK throws it. */
export function awsError(name: string, httpStatusCode = 400, $fault: 'client' | 'server' = 'client'): Error {
  return Object.assign(new Error(`the text of ${name}`), { name, $fault, $metadata: { httpStatusCode } })
}
