/** Incidents: a table, on a phone cards; and one of them with its samples, its course, and what can be done. */

import { useEffect, useState } from 'preact/hooks'
import { changeIncident, type Incident, listIncidents, readIncident } from '../api/incidents.ts'
import { askSeries, stepFor } from '../api/loki.ts'
import { wordsOf } from '../api/request.ts'
import { type Buckets, bucketsOf } from '../charts/buckets.ts'
import { VolumeChart } from '../charts/volume.tsx'
import { aroundHref, linesHref, rangeOf } from '../incidents.ts'
import { copy } from '../lines/copy.ts'
import { Text } from '../lines/row.tsx'
import { type Level, readLevel } from '../query/levels.ts'
import { change, hrefOf, place } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Fault, LevelWord, say, TOAST_MS } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { useEvery } from '../ui/use-every.ts'
import { agoText, clockText, countText, spanText, zoneText } from '../words.ts'

const STATES = [
  ['open,acknowledged', 'Open'],
  ['closed', 'Closed'],
  ['open,acknowledged,closed', 'All'],
] as const
const AGAIN_MS = 30_000
const BARS = 36

export function Incidents() {
  const id = place.value.path.split('/')[1]
  return id === undefined ? <List /> : <One key={id} id={id} />
}

function List() {
  const { params } = place.value
  const state = params.get('state') ?? STATES[0][0]
  const find = (params.get('find') ?? '').toLowerCase()
  const [more, setMore] = useState<readonly Incident[]>([])
  const [next, setNext] = useState<string>()
  const asked = useAsk(
    async (signal) => {
      const page = await listIncidents({ state, limit: 100 }, { signal })
      setMore([])
      setNext(page.nextToken)
      return page.items
    },
    [state],
  )
  useEffect(() => {
    document.title = 'Incidents · Millrace'
  }, [])
  useEvery(AGAIN_MS, () => {
    if (more.length === 0) asked.again()
  })
  const all = [...(asked.value ?? []), ...more]
  const items = all.filter(({ title, labels }) =>
    `${title} ${Object.values(labels).join(' ')}`.toLowerCase().includes(find),
  )
  const now = Date.now()
  return (
    <main class="page" id="main" tabIndex={-1}>
      <header class="page-head">
        <h1>Incidents</h1>
        <nav class="tabs" aria-label="State">
          {STATES.map(([value, words]) => (
            <a
              key={value}
              href={hrefOf('incidents', { state: value === STATES[0][0] ? undefined : value })}
              aria-current={value === state ? 'true' : undefined}
            >
              {words}
            </a>
          ))}
        </nav>
        <label class="find">
          <Icon name="search" />
          <input
            placeholder="Find an incident"
            aria-label="Find an incident"
            value={params.get('find') ?? ''}
            onInput={(event) => change({ find: event.currentTarget.value })}
          />
        </label>
      </header>
      {asked.fault !== undefined && <Fault words={asked.fault} again={asked.again} />}
      <div class="card" aria-busy={asked.isBusy}>
        {items.length > 0 && (
          <table class="data incidents">
            <thead>
              <tr>
                <th scope="col">Severity</th>
                <th scope="col">What</th>
                <th scope="col">State</th>
                <th scope="col" class="num">
                  Seen
                </th>
                <th scope="col" class="num">
                  First
                </th>
                <th scope="col" class="num">
                  Last
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => (
                <tr key={item.id}>
                  <td>
                    <LevelWord level={readLevel(item.severity)} />
                  </td>
                  <td class="what">
                    <a href={hrefOf(`incidents/${item.id}`)}>{item.title}</a>
                    <span class="sub">{labelWords(item)}</span>
                  </td>
                  <td>{item.state}</td>
                  <td class="num" data-name="seen">
                    {countText(item.count)}×
                  </td>
                  <td class="num" data-name="first">
                    {agoText(Date.parse(item.firstSeen), now)}
                  </td>
                  <td class="num" data-name="last">
                    {agoText(Date.parse(item.lastSeen), now)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {items.length === 0 && asked.value !== undefined && (
          <p class="empty">
            {find === '' ? 'No incidents here. Error lines of one kind become one.' : 'No incident has these words.'}
          </p>
        )}
      </div>
      {next !== undefined && (
        <button
          type="button"
          class="btn"
          onClick={async () => {
            try {
              const page = await listIncidents({ state, limit: 100, nextToken: next })
              setMore([...more, ...page.items])
              setNext(page.nextToken)
            } catch (error) {
              say(wordsOf(error))
            }
          }}
        >
          More incidents
        </button>
      )}
    </main>
  )
}

const labelWords = ({ labels, kind }: Incident): string =>
  `${kind === 'line' ? '' : `${kind} · `}${Object.entries(labels)
    .map(([name, value]) => `${name} ${value}`)
    .join(' · ')}`

function One({ id }: { id: string }) {
  const asked = useAsk((signal) => readIncident(id, { signal }), [id])
  const [changed, setChanged] = useState<Incident>()
  const incident = changed ?? asked.value
  useEffect(() => {
    document.title = `${incident?.title ?? 'Incident'} · Millrace`
  }, [incident?.title])
  const act = async (what: 'ack' | 'close', words: string): Promise<void> => {
    try {
      setChanged(await changeIncident(id, what))
      say(words)
    } catch (error) {
      say(wordsOf(error))
    }
  }
  return (
    <main class="page incident" id="main" tabIndex={-1}>
      <a class="back" href={hrefOf('incidents')}>
        <Icon name="left" />
        Incidents
      </a>
      {asked.fault !== undefined && incident === undefined && <Fault words={asked.fault} again={asked.again} />}
      {incident && <Shown incident={incident} act={act} />}
    </main>
  )
}

function Shown({
  incident,
  act,
}: {
  incident: Incident
  act: (what: 'ack' | 'close', words: string) => Promise<void>
}) {
  const { title, state, severity, count, firstSeen, lastSeen, labels, samples = [], openedAt } = incident
  const now = Date.now()
  const [first, last] = [Date.parse(firstSeen), Date.parse(lastSeen)]
  const level = readLevel(severity)
  const [isClosing, setClosing] = useState(false)
  const [peak, setPeak] = useState<Peak>()
  const close = (): void => {
    setClosing(true)
    // There is no way to reopen it: the request leaves when the time to undo is over.
    const timer = setTimeout(() => void act('close', 'It is closed.').finally(() => setClosing(false)), TOAST_MS)
    const undo = (): void => {
      clearTimeout(timer)
      setClosing(false)
    }
    say('It closes in 5 seconds.', { words: 'Undo', act: undo })
  }
  const around = aroundHref(incident)
  const lines = linesHref(incident)
  return (
    <>
      <header>
        <p class="badges">
          <span class={`badge ${level}`}>
            <LevelWord level={level} />
          </span>
          <span class="badge">{isClosing ? 'closing' : state}</span>
          <span class="soft">
            since {clockText(Date.parse(openedAt), false, now - Date.parse(openedAt) > 86_400_000)},{' '}
            {spanText(now - Date.parse(openedAt))}
          </span>
          <button
            type="button"
            class="btn small bare end"
            onClick={async () =>
              say((await copy(location.href)) ? 'The link is copied.' : 'The browser does not let this page copy.')
            }
          >
            <Icon name="link" />
            Copy the link
          </button>
        </p>
        <h1>{title}</h1>
      </header>
      <dl class="facts">
        <div>
          <dt>Seen</dt>
          <dd>{countText(count)}×</dd>
        </div>
        <div>
          <dt>First</dt>
          <dd title={firstSeen}>{clockText(first, true, now - first > 86_400_000)}</dd>
        </div>
        <div>
          <dt>Last</dt>
          <dd title={lastSeen}>{agoText(last, now)}</dd>
        </div>
      </dl>
      {incident.query !== undefined && (
        <Course incident={incident} query={incident.query} onBuckets={(buckets) => setPeak(peakOf(buckets, level))} />
      )}
      {samples.length > 0 && (
        <section>
          <h2>Sample lines {lines && <a href={lines}>All {countText(count)}</a>}</h2>
          <ol class="samples">
            {samples.map(({ eventId, timestamp, line }, i) => (
              <li key={`${eventId}.${i}`} class={level}>
                <time>{clockText(Date.parse(timestamp), true, now - Date.parse(timestamp) > 86_400_000)}</time>
                <pre>
                  <Text text={line} />
                </pre>
              </li>
            ))}
          </ol>
        </section>
      )}
      <section>
        <h2>What happened</h2>
        <ol class="timeline">
          {eventsOf(incident, peak).map(({ at, words }) => (
            <li key={at + words}>
              <time>{clockText(Date.parse(at), true, now - Date.parse(at) > 86_400_000)}</time>
              <span>{words}</span>
            </li>
          ))}
        </ol>
      </section>
      <section>
        <h2>Labels</h2>
        <dl class="labels mono">
          {Object.entries(labels).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <div class="actions">
        {around && (
          <a class="btn main" href={around}>
            <Icon name="lines" />
            Lines around it
          </a>
        )}
        {state === 'open' && (
          <button type="button" class="btn" onClick={() => act('ack', 'Acknowledged.')}>
            <Icon name="check" />
            Acknowledge
          </button>
        )}
        {state !== 'closed' && (
          <button type="button" class="btn" disabled={isClosing} onClick={close}>
            Close
          </button>
        )}
      </div>
    </>
  )
}

/** The newest first: changes of its state, its lines, and when they were most. */
function eventsOf(
  { history, firstSeen, lastSeen, count }: Incident,
  peak: Peak | undefined,
): readonly { at: string; words: string }[] {
  const changes = history.map(({ at, what, by = '' }) => ({ at, words: by === '' ? what : `${what} by ${by}` }))
  const seen = count === 1 ? [] : [{ at: lastSeen, words: 'last line' }]
  const most = peak === undefined || count === 1 ? [] : [{ at: peak.at, words: peak.words }]
  return [...changes, ...seen, ...most, { at: firstSeen, words: count === 1 ? 'the line' : 'first line' }].sort(
    (a, b) => (a.at < b.at ? 1 : -1),
  )
}

interface Peak {
  readonly at: string
  readonly words: string
}

/** The bar with the most lines. */
function peakOf({ times, step, counts }: Buckets, level: Level): Peak | undefined {
  const column = counts.get(level) ?? []
  const most = Math.max(0, ...column)
  if (most < 2) return undefined
  const at = new Date((times[column.indexOf(most)] ?? 0) * 1000).toISOString()
  return { at, words: `most lines: ${countText(most)} in ${spanText(step * 1000)}` }
}

function Course({
  incident,
  query,
  onBuckets,
}: {
  incident: Incident
  query: string
  onBuckets: (buckets: Buckets) => void
}) {
  const { from, to } = rangeOf(incident)
  const range = { start: Date.parse(from), end: Date.parse(to) }
  const step = stepFor(range, BARS)
  const level = readLevel(incident.severity)
  const asked = useAsk(
    async (signal) => {
      const series = await askSeries(`sum(count_over_time(${query} [${step}s]))`, range, step, { signal })
      return bucketsOf(
        series.map(({ values }) => ({ metric: { detected_level: level }, values })),
        range,
        step,
      )
    },
    [query, from, to],
  )
  useEffect(() => {
    if (asked.value) onBuckets(asked.value)
  }, [asked.value])
  return (
    <section>
      <h2>
        Lines in {spanText(step * 1000)} <span class="faint">{zoneText()}</span>
      </h2>
      {asked.fault !== undefined && <Fault words={asked.fault} again={asked.again} />}
      {asked.value && (
        <VolumeChart
          buckets={asked.value}
          levels={[level]}
          height={120}
          name="Lines of this incident over time"
          onZoom={({ start, end }) => {
            location.hash = hrefOf('logs', {
              q: query,
              from: new Date(start).toISOString(),
              to: new Date(end).toISOString(),
            })
          }}
        />
      )}
    </section>
  )
}
