/** Reads everything back through the read API, page by page, like clients. */

export interface FoundEntry {
  readonly ns: bigint
  readonly line: string
  /** Labels of its stream; with categories, only index labels. */
  readonly stream: Readonly<Record<string, string>>
  /** Structured metadata; only with categories. */
  readonly metadata: Readonly<Record<string, string>>
}

export interface ReadOptions {
  readonly query: string
  readonly startNs: bigint
  readonly endNs: bigint
  readonly direction?: 'forward' | 'backward'
  readonly pageSize?: number
  /** Headers of every request, such as credentials. */
  readonly headers?: Readonly<Record<string, string>>
}

interface StreamsAnswer {
  readonly data: {
    readonly result: readonly {
      readonly stream: Record<string, string>
      readonly values: readonly (readonly [string, string, { structuredMetadata?: Record<string, string> }])[]
    }[]
  }
}

/**
 * Every entry of the range, in the requested direction. A full page may end between entries of one nanosecond, so the
 * next one starts with that nanosecond again, as in logcli: a nanosecond must have fewer entries than a page.
 */
export async function readEntries(url: string, options: ReadOptions): Promise<FoundEntry[]> {
  const { direction = 'forward', pageSize = 5000 } = options
  const found: FoundEntry[] = []
  let { startNs, endNs } = options
  for (;;) {
    const page = await readPage(url, { ...options, direction, pageSize, startNs, endNs })
    if (page.length < pageSize) return [...found, ...page]
    const edge = (page.at(-1) as FoundEntry).ns
    const whole = page.filter(({ ns }) => ns !== edge)
    if (whole.length === 0) throw new Error(`more than ${pageSize} entries at ${edge}; read with larger pages`)
    found.push(...whole)
    if (direction === 'forward') startNs = edge
    else endNs = edge + 1n
  }
}

async function readPage(url: string, options: ReadOptions & { readonly pageSize: number }): Promise<FoundEntry[]> {
  const { query, startNs, endNs, direction = 'forward', pageSize, headers } = options
  const params = new URLSearchParams({
    query,
    start: String(startNs),
    end: String(endNs),
    direction,
    limit: String(pageSize),
  })
  const response = await fetch(`${url}/loki/api/v1/query_range?${params}`, {
    headers: { ...headers, 'x-loki-response-encoding-flags': 'categorize-labels' },
  })
  if (!response.ok) throw new Error(`query_range answered ${response.status}: ${await response.text()}`)
  const { data } = (await response.json()) as StreamsAnswer
  const entries = data.result.flatMap(({ stream, values }) =>
    values.map(([ns, line, { structuredMetadata = {} }]) => ({
      ns: BigInt(ns),
      line,
      stream,
      metadata: structuredMetadata,
    })),
  )
  const sign = direction === 'forward' ? 1 : -1
  // A stable sort: entries of one stream and nanosecond keep the order of the response.
  return entries.sort((a, b) => (a.ns === b.ns ? 0 : a.ns < b.ns ? -sign : sign))
}

export interface FoundLog {
  readonly id: string | null
  readonly datetime: string
  readonly severity: string
  readonly message: string
}

/** All items of GET /logs since a time, newest first. */
export async function readLogs(url: string, sinceNs: bigint): Promise<FoundLog[]> {
  const found: FoundLog[] = []
  let token: string | undefined
  do {
    const params = new URLSearchParams({ since: String(sinceNs), ...(token === undefined ? {} : { nextToken: token }) })
    const response = await fetch(`${url}/logs?${params}`)
    if (!response.ok) throw new Error(`GET /logs answered ${response.status}: ${await response.text()}`)
    const page = (await response.json()) as { items: FoundLog[]; nextToken?: string }
    found.push(...page.items)
    token = page.nextToken
  } while (token !== undefined)
  return found
}
