/** Compares a LogStore with a naive model: random pushes, retries, reads and reopenings must give the same results. */

import fc from 'fast-check'
import type { Test } from 'tap'
import { formatLabels } from '../../src/domain/labels.ts'
import { equalityMatcher } from '../../src/domain/selector.ts'
import type { AppendResult, LogStore, ReadRequest } from '../../src/ports/log-store.ts'
import {
  FixedClock,
  inOrder,
  makeBatch,
  openAdmission,
  type PlainStream,
  readAll,
  toLabels,
} from '../support/helper.ts'
import {
  ALL_TRAITS,
  appendAll,
  CONTRACT_SETTINGS,
  type OpenedStore,
  type OpenStore,
  type StoreTraits,
} from './opened-store.ts'

const START = BigInt(Date.UTC(2026, 10, 21, 11)) * 1_000_000n
const TENANTS = ['fake', '__proto__']

type Action =
  | { readonly kind: 'push'; readonly tenant: string; readonly pushes: readonly (readonly PlainStream[])[] }
  | { readonly kind: 'retry'; readonly which: number }
  | { readonly kind: 'settle' }
  | { readonly kind: 'reopen' }
  | {
      readonly kind: 'read'
      readonly tenant: string
      readonly app: string | undefined
      readonly start: number
      readonly length: number
    }

/** Few streams, times and lines, so that duplicates, equal times and overlaps are common. */
const entry = fc.record({
  ns: fc
    .oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 2_000_000 }))
    .map((offset) => START + BigInt(offset)),
  line: fc.oneof(
    fc.constantFrom('', 'a', 'ab', 'b', 'info x'),
    fc.constantFrom(40, 400, 1500).map((n) => 'long '.repeat(n / 5)),
  ),
  metadata: fc.constantFrom<Record<string, string>>({}, {}, { k: 'v' }, { detected_level: 'warn' }, { k: 'v', z: '' }),
})
const plainStream: fc.Arbitrary<PlainStream> = fc.record({
  labels: fc.constantFrom<Record<string, string>>({ app: 'a' }, { app: 'b' }, { app: 'b', env: 'x' }),
  entries: fc.array(entry, { minLength: 1, maxLength: 6 }),
})
const push = fc.array(plainStream, { minLength: 1, maxLength: 3 })
const tenant = fc.constantFrom('fake', 'fake', 'fake', '__proto__')
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      tenant,
      pushes: fc.array(push, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('retry' as const), which: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      tenant,
      app: fc.constantFrom(undefined, 'a', 'b'),
      start: fc.integer({ min: -1, max: 14 }),
      length: fc.constantFrom(0, 1, 5, 3_000_000),
    }),
  },
)

/** The expected contents: for each tenant and stream its entries in order of arrival, without duplicates. */
class Model {
  readonly #tenants = new Map<string, Map<string, Map<string, bigint>>>()

  /** Adds the entries and returns the number of duplicates. */
  push(tenant: string, streams: readonly PlainStream[]): { stored: number; duplicates: number } {
    let stored = 0
    let duplicates = 0
    for (const { labels, entries } of streams) {
      const key = formatLabels(toLabels(labels))
      const known = this.#stream(tenant, key)
      for (const { ns, line, metadata } of entries) {
        const text = `${key} ${ns} ${line} ${JSON.stringify(Object.entries(metadata ?? {}).sort())}`
        if (known.has(text)) duplicates++
        else stored++
        if (!known.has(text)) known.set(text, ns)
      }
    }
    return { stored, duplicates }
  }

  read({ tenant, matchers, start, end }: Omit<ReadRequest, 'direction'>): string[] {
    const app = matchers[0]?.value
    const keys = [...(this.#tenants.get(tenant)?.keys() ?? [])].sort()
    return keys
      .filter((key) => app === undefined || key.includes(`app="${app}"`))
      .flatMap((key) =>
        [...(this.#tenants.get(tenant)?.get(key) ?? [])]
          .filter(([, ns]) => ns >= start && ns < end)
          .sort(([, a], [, b]) => Number(a - b))
          .map(([text]) => text),
      )
  }

  #stream(tenant: string, key: string): Map<string, bigint> {
    const streams = this.#tenants.get(tenant) ?? new Map<string, Map<string, bigint>>()
    this.#tenants.set(tenant, streams)
    const stream = streams.get(key) ?? new Map<string, bigint>()
    streams.set(key, stream)
    return stream
  }
}

export function logStoreModel(t: Test, open: OpenStore, { numRuns = 60, traits = ALL_TRAITS } = {}): void {
  t.test('random pushes, retries, reads and reopenings agree with a model', async (t) => {
    const property = fc.asyncProperty(
      fc.array(action, { maxLength: 40 }),
      fc.constantFrom(150, 3000, 1e6),
      async (actions, blockBytes) => {
        const clock = new FixedClock()
        const opened = open(t, clock, { ...CONTRACT_SETTINGS, blockBytes })
        await runActions(actions, opened, { clock, traits })
      },
    )
    await fc.assert(property, { numRuns })
    t.pass()
  })
}

interface Run {
  readonly clock: FixedClock
  readonly traits: StoreTraits
}

async function runActions(actions: readonly Action[], opened: OpenedStore, { clock, traits }: Run): Promise<void> {
  const model = new Model()
  const sent: { tenant: string; streams: readonly PlainStream[] }[] = []
  let store = opened.store
  for (const action of actions) {
    clock.ms += 7
    if (action.kind === 'push') {
      const wanted = action.pushes.map((streams) => model.push(action.tenant, streams))
      const { tenant } = action
      const appends = action.pushes.map((streams) => () => append(store, clock, tenant, streams))
      const results = await appendAll(appends, traits)
      assertResults(results, wanted, traits)
      sent.push(...action.pushes.map((streams) => ({ tenant: action.tenant, streams })))
    } else if (action.kind === 'retry') {
      const retried = sent[action.which % Math.max(sent.length, 1)]
      if (retried === undefined) continue
      const wanted = model.push(retried.tenant, retried.streams)
      assertResults([await append(store, clock, retried.tenant, retried.streams)], [wanted], traits)
    } else if (action.kind === 'settle') await opened.settle()
    else if (action.kind === 'reopen') store = await opened.reopen()
    else await compareRead(store, model, action, traits)
  }
  for (const tenant of TENANTS)
    await compareRead(store, model, { tenant, app: undefined, start: -1, length: 10_000_000 }, traits)
  await store.close()
}

async function append(
  store: LogStore,
  clock: FixedClock,
  tenant: string,
  streams: readonly PlainStream[],
): Promise<Counts> {
  const { stored, duplicates } = await store.append(makeBatch(streams, openAdmission(clock, tenant)))
  return { stored, duplicates }
}

async function compareRead(
  store: LogStore,
  model: Model,
  { tenant, app, start, length }: { tenant: string; app: string | undefined; start: number; length: number },
  { ordersAcrossReads }: StoreTraits,
): Promise<void> {
  const request = {
    tenant,
    matchers: app === undefined ? [] : [equalityMatcher('app', '=', app)],
    start: START + BigInt(start),
    end: START + BigInt(start + length),
  }
  for (const direction of ['forward', 'backward'] as const) {
    const found = inOrder(await readAll(store, { ...request, direction }))
    const wanted = model.read(request)
    // Sorted as text, entries are still by stream and, as all times have as many digits, by time.
    if (ordersAcrossReads) assertSame(found, wanted)
    else assertSame(found.toSorted(), wanted.toSorted())
  }
}

type Counts = Pick<AppendResult, 'stored' | 'duplicates'>

/** If duplicates are not reported, all entries are counted. */
function assertResults(found: readonly Counts[], wanted: readonly Counts[], { reportsDuplicates }: StoreTraits): void {
  const shown = (counts: Counts) => (reportsDuplicates ? counts : counts.stored + counts.duplicates)
  assertSame(found.map(shown), wanted.map(shown))
}

function assertSame(found: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`found ${a}\nwanted ${b}`)
}
