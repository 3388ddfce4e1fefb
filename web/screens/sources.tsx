/** Polled sources: how far behind they are, and when what is behind is lost. */

import { useEffect } from 'preact/hooks'
import { askJson } from '../api/request.ts'
import { Fault } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { useEvery } from '../ui/use-every.ts'
import { agoText, clockText, countText, spanText } from '../words.ts'

export interface Source {
  readonly source: string
  readonly project: string
  readonly projectId: string
  readonly lastEntry: string | null
  readonly readUntil: string | null
  readonly lagSeconds: number | null
  readonly hoursUntilLoss: number | null
  readonly lastRun: null | {
    readonly state: string
    readonly finished: string | null
    readonly stored: number
    readonly late: number
    readonly lost: null | { readonly from: string | null; readonly to: string | null }
    readonly error: null | { readonly code: string; readonly message: string }
  }
}

const AGAIN_MS = 10_000
const AMBER_HOURS = 12
const RED_HOURS = 3

export const askSources = async (signal: AbortSignal): Promise<readonly Source[]> =>
  (await askJson<{ sources: readonly Source[] }>('sources', {}, { signal })).sources

/** In words too, never by colour alone. */
export function lossOf({ hoursUntilLoss: hours }: Source): { level: string; words: string } {
  if (hours === null) return { level: 'unknown', words: 'not read yet' }
  if (hours <= 0) return { level: 'critical', words: 'lines are being lost' }
  const words = `${spanText(hours * 3_600_000)} until loss`
  if (hours < RED_HOURS) return { level: 'error', words: `${words}, act now` }
  return hours < AMBER_HOURS ? { level: 'warn', words: `${words}, soon` } : { level: 'ok', words }
}

export function Sources() {
  const asked = useAsk(askSources, [])
  useEffect(() => {
    document.title = 'Sources · Millrace'
  }, [])
  useEvery(AGAIN_MS, () => asked.again())
  const now = Date.now()
  return (
    <main class="page" id="main" tabIndex={-1}>
      <header class="page-head">
        <h1>Sources</h1>
      </header>
      {asked.fault !== undefined && <Fault words={asked.fault} again={asked.again} />}
      {asked.value?.length === 0 && (
        <div class="card empty">
          <h2>Nothing is polled.</h2>
          <p>
            The gateway reads logs of Cognigy by itself where <code>COGNIGY_API_KEY</code> and{' '}
            <code>MILLRACE_POLL_PROJECTS</code> are set.
          </p>
        </div>
      )}
      {asked.value && asked.value.length > 0 && (
        <div class="card" aria-busy={asked.isBusy}>
          <table class="data">
            <thead>
              <tr>
                <th scope="col">Source</th>
                <th scope="col" class="num">
                  Behind
                </th>
                <th scope="col">Until loss</th>
                <th scope="col" class="num">
                  Newest line
                </th>
                <th scope="col">Last run</th>
              </tr>
            </thead>
            <tbody>
              {asked.value.map((source) => {
                const loss = lossOf(source)
                const { lastRun: run } = source
                return (
                  <tr key={source.projectId}>
                    <th scope="row">
                      {source.source} · {source.project}
                    </th>
                    <td class="num">{source.lagSeconds === null ? '–' : spanText(source.lagSeconds * 1000)}</td>
                    <td class={`lv ${loss.level}`}>{loss.words}</td>
                    <td class="num">{source.lastEntry === null ? '–' : agoText(Date.parse(source.lastEntry), now)}</td>
                    <td>
                      {run === null ? (
                        'none yet'
                      ) : (
                        <>
                          {run.state}, {countText(run.stored)} stored{run.late > 0 && `, ${countText(run.late)} late`}
                          {run.lost && (
                            <span class="lv error">
                              {' '}
                              lost from {timeOf(run.lost.from)} to {timeOf(run.lost.to)}
                            </span>
                          )}
                          {run.error && <span class="sub bad">{run.error.message}</span>}
                        </>
                      )}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      )}
    </main>
  )
}

const timeOf = (text: string | null): string => (text === null ? '?' : clockText(Date.parse(text), false, true))
