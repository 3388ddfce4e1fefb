/** Reads a log group of CloudWatch Logs page by page, for groups without a subscription. */

import type { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs'
import { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type { LogGroupEvent, LogGroupReader } from '../../../ports/incidents.ts'
import { errorName } from '../aws-errors.ts'

export class CloudWatchGroupReader implements LogGroupReader {
  readonly #client: Lazy<Pick<CloudWatchLogs, 'filterLogEvents'>>
  readonly #pattern: string | undefined

  /** `pattern`: a filter pattern of CloudWatch Logs; undefined: every event. */
  constructor(client: Lazy<Pick<CloudWatchLogs, 'filterLogEvents'>>, pattern: string | undefined) {
    this.#client = client
    this.#pattern = pattern
  }

  async *read(logGroup: string, fromMs: number, toMs: number): AsyncGenerator<readonly LogGroupEvent[]> {
    const range = { logGroupName: logGroup, startTime: fromMs, endTime: toMs - 1 }
    const filter = this.#pattern === undefined ? {} : { filterPattern: this.#pattern }
    let nextToken: string | undefined
    do {
      const page = await this.#call({ ...range, ...filter, ...(nextToken !== undefined && { nextToken }) })
      yield (page.events ?? []).flatMap(({ eventId: id, logStreamName: logStream, timestamp: ms, message }) =>
        id === undefined || logStream === undefined || ms === undefined || message === undefined
          ? []
          : [{ logStream, id, ms, message }],
      )
      // Empty pages may be followed by others. See FilterLogEvents.
      nextToken = page.nextToken
    } while (nextToken !== undefined)
  }

  async #call(request: Parameters<CloudWatchLogs['filterLogEvents']>[0]) {
    try {
      const client = await this.#client()
      return await client.filterLogEvents(request)
    } catch (cause) {
      const text = `CloudWatch Logs did not give a log group's events (${errorName(cause)}); look at MILLRACE_ALERT_LOG_GROUPS and the right to filter them`
      throw new GatewayError('source_unavailable', text, { cause })
    }
  }
}
