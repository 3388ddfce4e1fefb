/** Cognigy's log list as documented, with the faults of a network and a busy server. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

export interface FakeEntry {
  readonly _id: string
  /** ISO 8601 with milliseconds. */
  readonly timestamp: string
  readonly type: string
  readonly msg: string
  readonly traceId: string
  readonly meta: object
}

/** A fault instead of a response, or in it. */
export type Fault = 'status_500' | 'status_503' | 'cut' | 'truncated' | 'stall' | 'bad_gateway_page'

export interface FakeOptions {
  readonly key: string
  readonly nowMs: () => number
  /** The meaning of `next`: a position in the requested order, or only a bound on the ids. */
  readonly cursor: 'position' | 'id'
  /** Names of the cursors in JSON: those of v2.1's types, or of the v2.0 page. */
  readonly cursorNames: 'nextCursor' | 'next'
  /** The type of the response if the client accepts any. */
  readonly defaultType: 'application/json' | 'application/hal+json'
  readonly honoursStartDate: boolean
  readonly honoursSort: boolean
  readonly retentionMs: number
  readonly requestsMax: number
  readonly requestsWindowMs: number
  /** The fault of the next request; undefined: none. */
  readonly nextFault: () => Fault | undefined
  /** Called when a request stalls, which gets no response. */
  readonly onStall: () => void
  /** Called before each response: a test can add entries between pages. */
  readonly onRequest: () => void
}

const DEFAULTS: Omit<FakeOptions, 'nowMs'> = {
  key: 'fake-key',
  cursor: 'position',
  cursorNames: 'nextCursor',
  defaultType: 'application/hal+json',
  honoursStartDate: true,
  honoursSort: true,
  retentionMs: 24 * 3600_000,
  requestsMax: 1000,
  requestsWindowMs: 5 * 60_000,
  nextFault: () => undefined,
  onStall: () => undefined,
  onRequest: () => {},
}

interface Row {
  readonly entry: FakeEntry
  readonly ms: number
}

export class FakeCognigy {
  options: FakeOptions
  readonly requests: { readonly url: URL; readonly headers: IncomingMessage['headers']; readonly status: number }[] = []
  readonly #rows = new Map<string, Row[]>()
  readonly #server: Server
  #recent: number[] = []
  #ids = 0

  constructor(options: Partial<FakeOptions> & Pick<FakeOptions, 'nowMs'>) {
    this.options = { ...DEFAULTS, ...options }
    this.#server = createServer((request, response) => this.#handle(request, response))
  }

  /** Listens on loopback and returns the base URL. */
  async listen(port = 0, host = '127.0.0.1'): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, host, resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Adds an entry that is visible from now on; its id is created now, its time may be earlier. */
  add(project: string, given: Partial<FakeEntry> & { readonly ms: number }): FakeEntry {
    const { ms, ...fields } = given
    const entry = {
      _id: this.#makeId(),
      timestamp: new Date(ms).toISOString(),
      type: 'info',
      msg: `message ${this.#ids}`,
      traceId: `trace-${this.#ids}`,
      meta: { flow: 'main', userId: `user-${this.#ids % 7}` },
      ...fields,
    }
    const rows = this.#rows.get(project) ?? []
    this.#rows.set(project, rows)
    // Rows are sorted by time, then by id.
    let at = rows.length
    while (at > 0 && isAfter(rows[at - 1] as Row, ms, entry._id)) at--
    rows.splice(at, 0, { entry, ms })
    return entry
  }

  /** ObjectIds of several processes: the second, then one of three machines, then a counter. */
  #makeId(): string {
    const second = Math.floor(this.options.nowMs() / 1000)
      .toString(16)
      .padStart(8, '0')
    const machine = ['c0ffee0001', 'a0ffee0002', 'b0ffee0003'][this.#ids % 3]
    return `${second}${machine}${(this.#ids++).toString(16).padStart(6, '0')}`
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://fake')
    const fault = this.options.nextFault()
    response.on('finish', () => this.requests.push({ url, headers: request.headers, status: response.statusCode }))
    if (fault === undefined || fault === 'truncated') this.#answer(request, response, url, fault === 'truncated')
    else if (fault === 'cut') request.socket.destroy()
    else if (fault === 'status_500') problem(response, 500, 'Internal Server Error')
    else if (fault === 'status_503') problem(response, 503, 'Service Unavailable')
    else if (fault === 'bad_gateway_page') {
      response.writeHead(502, { 'content-type': 'text/html' })
      response.end('<html>502 Bad Gateway</html>')
    } else this.options.onStall()
  }

  #answer(request: IncomingMessage, response: ServerResponse, url: URL, isTruncated: boolean): void {
    this.options.onRequest()
    const nowMs = this.options.nowMs()
    const key = request.headers['x-api-key'] ?? url.searchParams.get('api_key')
    const [, project] = /^\/new\/v2\.[01]\/projects\/([^/]+)\/logs$/.exec(url.pathname) ?? []
    if (!this.#admits(nowMs, response)) return
    if (key !== this.options.key) problem(response, 401, 'Unauthorized')
    else if (request.method !== 'GET' || project === undefined) problem(response, 404, 'Not Found')
    else {
      const page = /^[a-z0-9]{24}$/.test(project) ? this.#page(project, url.searchParams, nowMs) : undefined
      if (page === undefined) problem(response, 400, 'Bad Request')
      else this.#send(request, response, url, page, isTruncated)
    }
  }

  /** The limit per source address: 429 with Retry-After. */
  #admits(nowMs: number, response: ServerResponse): boolean {
    const { requestsMax, requestsWindowMs } = this.options
    this.#recent = this.#recent.filter((ms) => ms > nowMs - requestsWindowMs)
    if (this.#recent.length < requestsMax) {
      this.#recent.push(nowMs)
      return true
    }
    const seconds = Math.ceil(((this.#recent[0] as number) + requestsWindowMs - nowMs) / 1000)
    response.setHeader('retry-after', String(Math.max(1, seconds)))
    problem(response, 429, 'Too Many Requests')
    return false
  }

  /** Undefined if a parameter is not as documented. */
  #page(project: string, query: URLSearchParams, nowMs: number): Page | undefined {
    const { honoursSort, honoursStartDate, retentionMs, cursor } = this.options
    const limit = Number(query.get('limit') ?? 25)
    const skip = Number(query.get('skip') ?? 0)
    const sort = query.get('sort') ?? 'timestamp:desc'
    if (!Number.isInteger(limit) || limit < 1 || limit > 100 || !Number.isInteger(skip) || skip < 0) return undefined
    if (!/^[a-zA-Z_]+:(asc|desc)$/.test(sort)) return undefined
    const isRising = honoursSort && sort.endsWith(':asc')
    const startDate = query.get('startDate')
    const startMs = startDate !== null && honoursStartDate ? Date.parse(startDate) : Number.NEGATIVE_INFINITY
    if (Number.isNaN(startMs)) return undefined
    const oldestMs = Math.max(startMs, nowMs - retentionMs)
    const types = query.getAll('type')
    const all = this.#rows.get(project) ?? []
    let rows = all.slice(firstNotBefore(all, oldestMs))
    if (types.length > 0) rows = rows.filter(({ entry }) => types.includes(entry.type))
    const total = rows.length
    if (!isRising) rows.reverse()
    const given = query.get('next') ?? query.get('previous')
    if (given !== null) {
      if (!/^[0-9a-f]{24}$/.test(given)) return undefined
      const isForth = query.has('next') === isRising
      if (cursor === 'id') rows = rows.filter(({ entry }) => (isForth ? entry._id > given : entry._id < given))
      else {
        const at = rows.findIndex(({ entry }) => entry._id === given)
        if (at < 0) return undefined
        rows = query.has('next') ? rows.slice(at + 1) : rows.slice(Math.max(0, at - limit), at)
      }
    }
    const shown = rows.slice(skip, skip + limit)
    const hasMore = rows.length > skip + limit
    return { entries: shown.map(({ entry }) => entry), total, hasMore, hasLess: given !== null || skip > 0 }
  }

  #send(request: IncomingMessage, response: ServerResponse, url: URL, page: Page, isTruncated: boolean): void {
    const accepted = request.headers.accept ?? '*/*'
    const type = accepted.includes('*/*') ? this.options.defaultType : accepted
    const body = Buffer.from(JSON.stringify(type.includes('hal') ? this.#hal(url, page) : this.#json(page)))
    response.setHeader('content-type', `${type}; charset=utf-8`)
    const sent =
      String(request.headers['accept-encoding'] ?? '').includes('gzip') && !isTruncated
        ? gzipSync(body, { level: 1 })
        : body
    if (sent !== body) response.setHeader('content-encoding', 'gzip')
    response.end(isTruncated ? sent.subarray(0, Math.floor(sent.length / 2)) : sent)
  }

  #json({ entries, total, hasMore, hasLess }: Page): object {
    const next = hasMore ? (entries.at(-1)?._id ?? null) : null
    const previous = hasLess ? (entries[0]?._id ?? null) : null
    return this.options.cursorNames === 'next'
      ? { items: entries, total, next, previous }
      : { items: entries, total, nextCursor: next, previousCursor: previous }
  }

  #hal(url: URL, { entries, total, hasMore }: Page): object {
    const next = new URL(url)
    next.searchParams.set('next', entries.at(-1)?._id ?? '')
    const links = hasMore ? { next: { href: `${next.pathname}${next.search}` } } : {}
    return { total, _embedded: { logEntry: entries }, _links: { self: { href: url.pathname }, ...links } }
  }
}

interface Page {
  readonly entries: readonly FakeEntry[]
  readonly total: number
  readonly hasMore: boolean
  readonly hasLess: boolean
}

function isAfter({ ms, entry }: Row, otherMs: number, otherId: string): boolean {
  return ms > otherMs || (ms === otherMs && entry._id > otherId)
}

function firstNotBefore(rows: readonly Row[], ms: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle] as Row).ms < ms) low = middle + 1
    else high = middle
  }
  return low
}

/** RFC 7807, with Cognigy's additional members. */
function problem(response: ServerResponse, status: number, title: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  const members = { type: 'about:blank', title, status, detail: title, instance: '/logs', code: 1000 + status }
  response.end(JSON.stringify({ ...members, traceId: 'api-trace-1' }))
}
