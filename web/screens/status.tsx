/** The state of the gateway: what comes in, what is refused and why, the store, queries, and what such traffic costs. */

import { useEffect, useRef } from 'preact/hooks'
import { askJson, isReached } from '../api/request.ts'
import { COSTS, monthlyCosts } from '../costs.ts'
import { ADVICE } from '../refusals.ts'
import { version } from '../settings.ts'
import { Fault } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { useEvery } from '../ui/use-every.ts'
import { bytesText, countText, shortText, spanText } from '../words.ts'

export interface Status {
  readonly version: string
  readonly home: 'embedded' | 'aws'
  readonly startedAt: string
  readonly now: string
  readonly trouble: string | null
  readonly lastHour: { readonly lines: number; readonly bytes: number; readonly streams: number }
  readonly process: {
    readonly accepted: number
    readonly duplicates: number
    readonly lineBytes: number
    readonly dropped: number
    readonly refused: readonly { readonly reason: string; readonly lines: number }[]
    readonly errors: readonly { readonly code: string; readonly requests: number }[]
  }
  readonly store: Readonly<Record<string, number>>
  readonly queries: {
    readonly running: number
    readonly waiting: number
    readonly cacheBytes: number
    readonly cacheHits: number
    readonly cacheMisses: number
  }
}

const AGAIN_MS = 10_000

export function StatusScreen() {
  const asked = useAsk((signal) => askJson<Status>('status', {}, { signal }), [])
  const before = useRef<Status | undefined>(undefined)
  const latest = useRef<Status | undefined>(undefined)
  if (asked.value !== undefined && asked.value !== latest.current) {
    before.current = latest.current
    latest.current = asked.value
  }
  useEffect(() => {
    document.title = 'Status · Millrace'
  }, [])
  useEvery(AGAIN_MS, () => asked.again())
  return (
    <main class="page status" id="main" tabIndex={-1}>
      <header class="page-head">
        <h1>Status</h1>
        <span class="soft">
          {isReached.value ? (asked.value?.trouble ?? 'Pushes can be stored.') : 'The gateway cannot be reached.'}
        </span>
      </header>
      {asked.fault !== undefined && <Fault words={asked.fault} again={asked.again} />}
      {asked.value && <Shown status={asked.value} before={before.current} />}
    </main>
  )
}

function Shown({ status, before }: { status: Status; before: Status | undefined }) {
  const { lastHour, process, store, queries, home } = status
  const seconds = before === undefined ? 0 : (Date.parse(status.now) - Date.parse(before.now)) / 1000
  const rate = (now: number, was: number | undefined): string =>
    seconds <= 0 || was === undefined || now < was ? '…' : `${shortText((now - was) / seconds)}`
  return (
    <>
      {home === 'aws' && <p class="quiet">Counters are those of the process that answered; others have their own.</p>}
      <div class="cards">
        <Facts
          words="Comes in"
          facts={[
            ['Last hour', `${countText(lastHour.lines)} lines, ${bytesText(lastHour.bytes)}`],
            ['Streams in it', countText(lastHour.streams)],
            ['Now', `${rate(process.accepted, before?.process.accepted)} lines a second`],
            ['Since the start', `${countText(process.accepted)} lines, ${bytesText(process.lineBytes)}`],
            ['Duplicates, stored once', countText(process.duplicates)],
          ]}
        />
        <Facts
          words="Store"
          facts={[
            ['Home', home],
            ['Lines', countText(store['entries'] ?? 0)],
            ['On disk', bytesText(store['diskBytes'] ?? 0)],
            ['Of lines', bytesText(store['lineBytes'] ?? 0)],
            ['Streams', countText(store['streams'] ?? 0)],
            ['Blocks', countText(store['blocks'] ?? 0)],
            ['Waiting for a commit', bytesText(store['queueBytes'] ?? 0)],
          ]}
        />
        <Facts
          words="Queries"
          facts={[
            ['Running', countText(queries.running)],
            ['Waiting', countText(queries.waiting)],
            ['Cached answers', bytesText(queries.cacheBytes)],
            ['Answered from the cache', countText(queries.cacheHits)],
          ]}
        />
        <Facts
          words="Gateway"
          facts={[
            ['Version', status.version || version],
            ['Runs for', spanText(Date.parse(status.now) - Date.parse(status.startedAt))],
          ]}
        />
      </div>
      <section class="card">
        <header>
          <h2>Refused</h2>
          <span class="faint">since the start</span>
        </header>
        {process.refused.length === 0 ? (
          <p class="quiet">No line was refused.</p>
        ) : (
          <table class="data">
            <thead>
              <tr>
                <th scope="col">Reason</th>
                <th scope="col" class="num">
                  Lines
                </th>
                <th scope="col">What to do</th>
              </tr>
            </thead>
            <tbody>
              {process.refused.map(({ reason, lines }) => (
                <tr key={reason}>
                  <th scope="row" class="mono">
                    {reason}
                  </th>
                  <td class="num">{countText(lines)}</td>
                  <td>{ADVICE[reason] ?? 'See docs/errors.md.'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {process.errors.length > 0 && (
          <p class="quiet">
            Requests that failed:{' '}
            {process.errors.map(({ code, requests }) => `${code} ${countText(requests)}`).join(', ')}
          </p>
        )}
      </section>
      <Cost bytes={lastHour.bytes} />
    </>
  )
}

function Facts({ words, facts }: { words: string; facts: readonly (readonly [string, string])[] }) {
  return (
    <section class="card">
      <header>
        <h2>{words}</h2>
      </header>
      <dl class="pairs">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function Cost({ bytes }: { bytes: number }) {
  const costs = monthlyCosts(bytes)
  return (
    <section class="card">
      <header>
        <h2>What such traffic costs</h2>
        <span class="faint">{costs.gigabytes.toFixed(2)} GB a month, at the rate of the last hour</span>
      </header>
      <table class="data">
        <tbody>
          {costs.rows.map(({ words, dollars }) => (
            <tr key={words}>
              <th scope="row">{words}</th>
              <td class="num">${dollars < 1 ? dollars.toFixed(2) : countText(Math.round(dollars))} a month</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="quiet">
        An estimate from docs/cost.md, whose prices are of {COSTS.pricesOf}: ingest alone, without storage and reads.
      </p>
    </section>
  )
}
