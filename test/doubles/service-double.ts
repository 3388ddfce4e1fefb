/** The common part of the doubles of JSON services: their server. */

import { JsonService, type JsonServiceOptions } from './json-service.ts'

export abstract class ServiceDouble {
  #service: JsonService | undefined

  /** Starts the server, on a free port by default, and returns the double. */
  protected async serve(target: string, operations: JsonServiceOptions['operations'], port = 0): Promise<this> {
    this.#service = await JsonService.start({ target, operations, port })
    return this
  }

  /** The server, for its count of calls and `failNext`. */
  get service(): JsonService {
    if (this.#service === undefined) throw new Error('BUG: the double was not started')
    return this.#service
  }

  get url(): string {
    return this.service.url
  }

  stop(): Promise<void> {
    return this.service.stop()
  }
}
