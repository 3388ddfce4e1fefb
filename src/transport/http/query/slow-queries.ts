/** Logs slow queries, without any text of the data. */

import type { FastifyBaseLogger } from 'fastify'
import type { EventLoop } from '../../../flows/query/query-turns.ts'
import { maskQuery } from '../../../logql/parse/mask.ts'

export interface ReportedQuery {
  readonly route: string
  readonly tenant: string
  /** From X-Query-Tags; undefined if absent. */
  readonly tags: string | undefined
  readonly query: string | undefined
}

export interface QueryReport {
  /** Must be called when the query has left the queue. */
  running(): void
  /** Must be called when the query has ended in any way. */
  readonly end: () => void
}

export class SlowQueries {
  readonly #slowMs: number | undefined
  readonly #clock: Pick<EventLoop, 'nowMs'>

  /** `slowMs` undefined: no query is logged. */
  constructor(slowMs: number | undefined, clock: Pick<EventLoop, 'nowMs'>) {
    this.#slowMs = slowMs
    this.#clock = clock
  }

  begin(log: Pick<FastifyBaseLogger, 'warn'>, { query, ...reported }: ReportedQuery): QueryReport {
    const cameMs = this.#clock.nowMs()
    let startedMs: number | undefined
    return {
      running: () => {
        startedMs = this.#clock.nowMs()
      },
      end: () => {
        if (startedMs === undefined || this.#slowMs === undefined) return
        const ms = Math.round(this.#clock.nowMs() - startedMs)
        if (ms < this.#slowMs) return
        const queuedMs = Math.round(startedMs - cameMs)
        const shown = query === undefined ? {} : { query: maskQuery(query), queryChars: query.length }
        log.warn({ ...reported, ...shown, ms, queuedMs }, 'slow query')
      },
    }
  }
}
