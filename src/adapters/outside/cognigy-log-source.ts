/** LogSource on Cognigy's log list: reads forward by time if the server can, otherwise backward by its cursor. */

import { GatewayError } from '../../domain/errors.ts'
import type { SourceEntry } from '../../domain/sources/source-entry.ts'
import type { LogSource, SourcePage, SourceProject, SourceRequest } from '../../ports/sources.ts'
import type { CognigyPage } from '../../protocol/sources/cognigy-logs.ts'
import type { CognigyClient, PageQuery } from './cognigy-client.ts'

/** The maximum page size of the list. */
const PAGE_ENTRIES_MAX = 100

/**
 * The forward walk sorts by time and starts each page at the newest time of the previous page. The server's own cursor is
 * based on ids, the sort on times: rows whose ids and times have a different order could be missed between two pages. The
 * cursor is used only if a full page lies within one millisecond.
 *
 * It requires a server that supports `sort` and `startDate`, which the first page of a walk shows. Otherwise the walk goes
 * backward from the newest entry by cursor, until all entries of a page are too old.
 */
export class CognigyLogSource implements LogSource {
  readonly name = 'cognigy'
  readonly #client: Pick<CognigyClient, 'getPage'>
  readonly #onBackward: (project: SourceProject) => void
  /** Projects whose server does not support the forward walk. */
  readonly #backward = new Set<string>()

  /** `onBackward` is called once for each project whose server does not support the forward walk. */
  constructor(client: Pick<CognigyClient, 'getPage'>, onBackward: (project: SourceProject) => void = () => {}) {
    this.#client = client
    this.#onBackward = onBackward
  }

  async *read(request: SourceRequest): AsyncGenerator<SourcePage> {
    const { project } = request
    if (request.resume === undefined && !this.#backward.has(project.id)) {
      const couldWalk = yield* this.#readForward(request)
      if (couldWalk) return
      this.#backward.add(project.id)
      this.#onBackward(project)
    }
    yield* this.#readBackward(request)
  }

  /** Returns false, before any page, if the server does not support the forward walk. */
  async *#readForward(request: SourceRequest): AsyncGenerator<SourcePage, boolean> {
    const pager = new Pager(this.#client, request)
    let startMs = request.fromMs
    let next: string | undefined
    let skip: number | undefined
    let previousIds: ReadonlySet<string> = new Set()
    for (let isFirst = true; ; isFirst = false) {
      const page = await pager.get({ sort: 'timestamp:asc', startMs, next, skip })
      if (page === 'spent') return true
      if (isFirst && !walksForward(page, request.fromMs, pager.limit)) return false
      if (page === 'refused' || !isSorted(page.entries, 1)) throw walkFailure('a page that is not sorted as requested')
      const entries = page.entries.filter(({ id }) => !previousIds.has(id))
      const hasMore = page.next !== undefined || page.entries.length >= pager.limit
      const isLast = !hasMore || (entries.length === 0 && (page.next === undefined || page.entries.length === 0))
      yield { entries, unreadable: page.unreadable, direction: 'forward', isLast }
      if (isLast) return true
      const newestMs = page.entries.at(-1)?.timestampMs ?? startMs
      previousIds = new Set(page.entries.map(({ id }) => id))
      // One millisecond earlier, so that it does not matter whether the server's start is inclusive or exclusive.
      if (newestMs - 1 > startMs) {
        // After pages by cursor, the walk continues after the millisecond that needed them.
        startMs = next === undefined && skip === undefined ? newestMs - 1 : startMs + 1
        next = undefined
        skip = undefined
      } else if (page.next !== undefined) {
        if (page.next === next) throw walkFailure('the same cursor twice')
        next = page.next
      } else skip = (skip ?? 0) + page.entries.length
    }
  }

  async *#readBackward(request: SourceRequest): AsyncGenerator<SourcePage> {
    const pager = new Pager(this.#client, request)
    let next = request.resume
    let oldestMs = Number.POSITIVE_INFINITY
    let isOrdered = true
    for (;;) {
      const page = await pager.get({ sort: 'timestamp:desc', next })
      if (page === 'spent') return
      if (page === 'refused') {
        if (next === undefined || next !== request.resume) throw walkFailure('400 for a page')
        // The row of a cursor from an earlier run may have expired: the walk restarts at the newest entry.
        next = undefined
        continue
      }
      isOrdered &&= isSorted(page.entries, -1) && (page.entries[0]?.timestampMs ?? 0) <= oldestMs
      oldestMs = page.entries.at(-1)?.timestampMs ?? oldestMs
      // An unsorted server is read to the end.
      const isPast = isOrdered && oldestMs < request.fromMs
      const isLast = page.next === undefined || isPast
      const { entries, unreadable } = page
      yield { entries, unreadable, direction: 'backward', isLast, resume: isLast ? undefined : page.next }
      if (isLast) return
      if (page.next === next) throw walkFailure('the same cursor twice')
      next = page.next
    }
  }
}

/** Requests pages, and smaller ones if they exceed the size limit. */
class Pager {
  limit = PAGE_ENTRIES_MAX
  readonly #client: Pick<CognigyClient, 'getPage'>
  readonly #request: SourceRequest

  constructor(client: Pick<CognigyClient, 'getPage'>, request: SourceRequest) {
    this.#client = client
    this.#request = request
  }

  async get(query: Omit<PageQuery, 'limit'>): Promise<CognigyPage | 'spent' | 'refused'> {
    const { project, requests } = this.#request
    for (;;) {
      try {
        return await this.#client.getPage(project, { ...query, limit: this.limit }, requests)
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code !== 'body_too_large' || this.limit === 1) throw error
        this.limit = Math.ceil(this.limit / 4)
      }
    }
  }
}

/** Whether the first page shows that the server supports `sort` and `startDate`. */
function walksForward(page: CognigyPage | 'refused', fromMs: number, limit: number): boolean {
  if (page === 'refused' || !isSorted(page.entries, 1)) return false
  const isFull = page.next !== undefined || page.entries.length >= limit
  const newestMs = page.entries.at(-1)?.timestampMs
  return !isFull || newestMs === undefined || newestMs >= fromMs
}

function isSorted(entries: readonly SourceEntry[], sign: 1 | -1): boolean {
  return entries.every(
    (entry, i) => i === 0 || sign * (entry.timestampMs - (entries[i - 1] as SourceEntry).timestampMs) >= 0,
  )
}

function walkFailure(came: string): GatewayError {
  const text = `Cognigy returned ${came}; expected consecutive pages; check MILLRACE_POLL_BASE_URL and MILLRACE_POLL_API_VERSION`
  return new GatewayError('source_unavailable', text)
}
