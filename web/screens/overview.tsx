/** The landing: all services with their volume by level, what is new, open incidents, sources. */

import { useEffect, useMemo, useState } from 'preact/hooks'
import { listIncidents } from '../api/incidents.ts'
import { askNumbers, askSeries, askValues, askVolumes, type Range, stepFor } from '../api/loki.ts'
import { isWrongQuery, WANT } from '../api/request.ts'
import type { Series } from '../api/series.ts'
import { type Buckets, bucketsOf, sumOf } from '../charts/buckets.ts'
import { Legend } from '../charts/legend.tsx'
import { Spark } from '../charts/spark.tsx'
import { VolumeChart } from '../charts/volume.tsx'
import { aroundHref } from '../incidents.ts'
import { runs } from '../logs/state.ts'
import { quote } from '../query/chips.ts'
import { LEVELS, type Level, readLevel } from '../query/levels.ts'
import { rangeNames, rangeNow, timeParams } from '../range.ts'
import { change, hrefOf, place } from '../router.ts'
import { hasIncidents } from '../settings.ts'
import { Icon } from '../ui/icon.tsx'
import { Fault, LevelWord } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { useEvery } from '../ui/use-every.ts'
import { agoText, bytesText, clockText, countText, shortText, spanText } from '../words.ts'
import { askSources, lossOf } from './sources.tsx'

const BARS = 60
const AGAIN_MS = 30_000
/** Incidents come a moment after their lines. */
const NEWS_MS = 5000
const SIDE_MAX = 8
const BAD: readonly Level[] = ['critical', 'error']
const LOUD: readonly Level[] = ['critical', 'error', 'warn']
const QUIET: readonly Level[] = ['info', 'debug', 'unknown']
const DAY_MS = 86_400_000
const ANY = '{service_name=~".+"}'
/** Services that are counted one by one where there are too many. */
const LARGEST = 50

interface Service {
  readonly name: string
  readonly all: readonly number[]
  readonly bad: readonly number[]
  readonly lines: number
  readonly errors: number
  readonly before: number | undefined
  readonly bytes: number | undefined
  readonly lastMs: number | undefined
  readonly isNew: boolean
}

const selectorOf = (name: string): string => `{service_name=${quote(name)}}`
const errorsOf = (name: string): string => `${selectorOf(name)} | detected_level =~ "critical|fatal|error"`

export function Overview() {
  const { from, to } = rangeNames.value
  const [tick, setTick] = useState(0)
  const turn = runs.value
  const range = useMemo(() => rangeNow(), [from, to, tick, turn])
  useEffect(() => {
    document.title = 'Overview · Millrace'
  }, [])
  useEvery(AGAIN_MS, () => setTick((before) => before + 1))
  const step = stepFor(range, BARS)
  const counted = useAsk((signal) => askCounts(range, step, signal), [range])
  const volumes = useAsk((signal) => askVolumes(range, { signal, want: WANT.fields }), [range])
  const before = useAsk((signal) => askBefore(range, signal), [range])
  const fresh = useAsk((signal) => askNew(range, signal), [range])
  const services = useMemo(
    () => servicesOf(counted.value?.services ?? [], range, step, volumes.value, before.value, fresh.value),
    [counted.value, volumes.value, before.value, fresh.value],
  )
  const buckets = useMemo(() => bucketsOf(counted.value?.all ?? [], range, step), [counted.value])
  const zoom = (wanted: Range): void => change(timeParams(wanted), 'push')
  return (
    <main class="page overview" id="main" tabIndex={-1}>
      <h1 class="hidden">Overview</h1>
      <section class="card sum" aria-label="All lines" aria-busy={counted.isBusy}>
        {counted.fault !== undefined && <Fault words={counted.fault} again={counted.again} />}
        {counted.value && (
          <Sums buckets={buckets} services={services} volumes={volumes.value} before={before.value} zoom={zoom} />
        )}
      </section>
      <ServiceTable services={services} range={range} isBusy={counted.isBusy} isPart={counted.value?.isPart ?? false} />
      <div class="side">
        <News range={range} services={services} />
        {hasIncidents && <OpenIncidents tick={tick} />}
        <SourceCard tick={tick} />
      </div>
    </main>
  )
}

interface SumsProps {
  readonly buckets: Buckets
  readonly services: readonly Service[]
  readonly volumes: ReadonlyMap<string, number> | undefined
  readonly before: ReadonlyMap<string, number> | undefined
  readonly zoom: (range: Range) => void
}

function Sums({ buckets, services, volumes, before, zoom }: SumsProps) {
  const lines = [...buckets.totals.values()].reduce((sum, each) => sum + each, 0)
  const errors = BAD.reduce((sum, level) => sum + (buckets.totals.get(level) ?? 0), 0)
  const was = before === undefined ? undefined : [...before.values()].reduce((sum, each) => sum + each, 0)
  const loud = LOUD.filter((level) => (buckets.totals.get(level) ?? 0) > 0)
  const text = volumes === undefined ? undefined : [...volumes.values()].reduce((sum, each) => sum + each, 0)
  return (
    <>
      <dl>
        <div>
          <dt>Lines</dt>
          <dd>{shortText(lines)}</dd>
        </div>
        <div>
          <dt>Text</dt>
          <dd>{text === undefined ? '…' : bytesText(text)}</dd>
        </div>
        <div>
          <dt>Errors</dt>
          <dd class={errors > 0 ? 'bad' : ''}>
            {shortText(errors)} <small>{was === undefined ? '' : ratioText(errors, was)}</small>
          </dd>
        </div>
        <div>
          <dt>Services</dt>
          <dd>{countText(services.length)}</dd>
        </div>
      </dl>
      <div>
        <div class="head">
          <Legend
            totals={buckets.totals}
            on={LEVELS}
            onToggle={(level) => {
              location.hash = hrefOf('logs', { q: `{service_name=~".+"} | detected_level = "${level}"`, ...periodOf() })
            }}
          />
          <span class="faint">{spanText(buckets.step * 1000)} a bar · each lane has its own scale · drag to zoom</span>
        </div>
        {loud.length > 0 && (
          <VolumeChart
            buckets={buckets}
            levels={QUIET}
            height={52}
            name="Other lines over time"
            hasAxis={false}
            onZoom={zoom}
          />
        )}
        <VolumeChart
          buckets={buckets}
          levels={loud.length > 0 ? loud : LEVELS}
          height={72}
          name={loud.length > 0 ? 'Warnings and errors over time' : 'Lines over time'}
          onZoom={zoom}
        />
      </div>
    </>
  )
}

function ratioText(now: number, was: number): string {
  if (was === 0) return now === 0 ? '' : 'was 0'
  const ratio = now / was
  return `×${ratio >= 10 ? Math.round(ratio) : ratio.toFixed(1)}`
}

/** The range of this place, for links out of it. */
function periodOf(): { from?: string; to?: string } {
  const { params } = place.value
  return { from: params.get('from') ?? undefined, to: params.get('to') ?? undefined }
}

const ORDERS = [
  ['errors', 'Errors'],
  ['lines', 'Lines'],
  ['name', 'Name'],
] as const

interface ServiceTableProps {
  readonly services: readonly Service[]
  readonly range: Range
  readonly isBusy: boolean
  /** Whether only the largest services are counted. */
  readonly isPart: boolean
}

function ServiceTable({ services, range, isBusy, isPart }: ServiceTableProps) {
  const { params } = place.value
  const find = (params.get('find') ?? '').toLowerCase()
  const sort = params.get('sort') ?? 'errors'
  const now = range.end
  const shown = services.filter(({ name }) => name.toLowerCase().includes(find))
  shown.sort((a, b) =>
    sort === 'name'
      ? a.name < b.name
        ? -1
        : 1
      : sort === 'lines'
        ? b.lines - a.lines
        : b.errors - a.errors || b.lines - a.lines,
  )
  return (
    <section class="card services" aria-label="Services" aria-busy={isBusy}>
      <header>
        <h2>Services</h2>
        <nav class="tabs" aria-label="Order">
          {ORDERS.map(([value, words]) => (
            <a
              key={value}
              href={hrefOf('', { ...Object.fromEntries(params), sort: value })}
              aria-current={sort === value ? 'true' : undefined}
            >
              {words}
            </a>
          ))}
        </nav>
        <label class="find">
          <Icon name="search" />
          <input
            placeholder="Find a service"
            aria-label="Find a service"
            value={params.get('find') ?? ''}
            onInput={(event) => change({ find: event.currentTarget.value })}
          />
        </label>
      </header>
      <table class="data">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col" class="wide">
              All lines
            </th>
            <th scope="col" class="wide">
              Errors, own scale
            </th>
            <th scope="col" class="num">
              Errors
            </th>
            <th scope="col" class="num wide">
              vs before
            </th>
            <th scope="col" class="num">
              Lines
            </th>
            <th scope="col" class="num wide">
              Text
            </th>
            <th scope="col" class="num wide">
              Last line
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((service) => (
            <tr key={service.name}>
              <th scope="row">
                <a href={hrefOf('logs', { q: selectorOf(service.name), ...periodOf() })}>{service.name}</a>
                {service.isNew && <span class="tag">new</span>}
              </th>
              <td class="wide">
                <Spark counts={service.all} level="info" name={`${countText(service.lines)} lines over time`} />
              </td>
              <td class="wide">
                {service.errors > 0 && (
                  <Spark counts={service.bad} level="error" name={`${countText(service.errors)} errors over time`} />
                )}
              </td>
              <td class="num">
                {service.errors === 0 ? (
                  '0'
                ) : (
                  <a
                    class="errs"
                    href={hrefOf('logs', { q: errorsOf(service.name), ...periodOf() })}
                    aria-label={`${countText(service.errors)} errors of ${service.name}`}
                  >
                    {countText(service.errors)}
                  </a>
                )}
              </td>
              <td class="num wide">{service.before === undefined ? '' : ratioText(service.errors, service.before)}</td>
              <td class="num">{countText(service.lines)}</td>
              <td class="num wide">{service.bytes === undefined ? '' : bytesText(service.bytes)}</td>
              <td class="num wide">{service.lastMs === undefined ? '–' : agoText(service.lastMs, now)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {isPart && (
        <p class="quiet">
          There are more services than one query counts: these are the {LARGEST} with the most text. Search for others
          in <a href={hrefOf('logs', periodOf())}>Logs</a>.
        </p>
      )}
      {shown.length === 0 && !isBusy && (
        <p class="empty">
          {services.length === 0 ? 'No service sent a line in this time.' : 'No service has these words in its name.'}
        </p>
      )}
    </section>
  )
}

function servicesOf(
  series: readonly Series[],
  range: Range,
  step: number,
  volumes: ReadonlyMap<string, number> | undefined,
  before: ReadonlyMap<string, number> | undefined,
  fresh: ReadonlySet<string> | undefined,
): Service[] {
  const byName = Map.groupBy(series, ({ metric }) => metric['service_name'] ?? '')
  return [...byName].map(([name, own]) => {
    const buckets = bucketsOf(own, range, step)
    const all = sumOf(buckets, LEVELS)
    const bad = sumOf(buckets, BAD)
    const last = all.findLastIndex((count) => count > 0)
    return {
      name,
      all,
      bad,
      lines: all.reduce((sum, each) => sum + each, 0),
      errors: bad.reduce((sum, each) => sum + each, 0),
      before: before === undefined ? undefined : (before.get(name) ?? 0),
      bytes: volumes?.get(name),
      // The end of the bucket of the last line: exact to a bar.
      lastMs: last < 0 ? undefined : Math.min(((buckets.times[last] ?? 0) + step) * 1000, range.end),
      isNew: fresh?.has(name) ?? false,
    }
  })
}

interface Counts {
  /** By level. */
  readonly all: readonly Series[]
  /** By service and level. */
  readonly services: readonly Series[]
  readonly isPart: boolean
}

/** Where there are too many services for one query, those with the most text are counted one by one, the others as a sum. */
async function askCounts(range: Range, step: number, signal: AbortSignal): Promise<Counts> {
  const count = (by: string, selector: string): Promise<readonly Series[]> =>
    askSeries(`sum by (${by}) (count_over_time(${selector} [${step}s]))`, range, step, { signal, want: WANT.lines })
  const each = 'service_name, detected_level'
  try {
    const services = await count(each, ANY)
    return { all: services, services, isPart: false }
  } catch (error) {
    if (!isWrongQuery(error)) throw error
  }
  const volumes = await askVolumes(range, { signal, want: WANT.lines })
  const largest = [...volumes].sort(([, a], [, b]) => b - a).slice(0, LARGEST)
  const names = largest.map(([name]) => name.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')).join('|')
  const [all, services] = await Promise.all([
    count('detected_level', ANY),
    count(each, `{service_name=~${quote(names)}}`),
  ])
  return { all, services, isPart: true }
}

/** Errors by service in the time as long before. */
async function askBefore({ start, end }: Range, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const seconds = Math.ceil((end - start) / 1000)
  const query = `sum by (service_name) (count_over_time({service_name=~".+"} | detected_level =~ "critical|fatal|error" [${seconds}s] offset ${seconds}s))`
  const numbers = await askNumbers(query, end, { signal, want: WANT.patterns })
  return new Map(numbers.map(({ metric, value }) => [metric['service_name'] ?? '', value]))
}

/** Services that the day before did not have; none where that day had no services at all. */
async function askNew(range: Range, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const asking = { signal, want: WANT.patterns }
  const [now, before] = await Promise.all([
    askValues('service_name', range, asking),
    askValues('service_name', { start: range.start - DAY_MS, end: range.start }, asking),
  ])
  return new Set(before.length === 0 ? [] : now.filter((name) => !before.includes(name)))
}

function News({ range, services }: { range: Range; services: readonly Service[] }) {
  const kinds = useAsk(
    async (signal) => {
      if (!hasIncidents) return []
      const firstSince = new Date(range.start).toISOString()
      return (await listIncidents({ firstSince, limit: 100 }, { signal, want: WANT.patterns })).items
    },
    [range],
  )
  useEvery(NEWS_MS, kinds.again)
  const fresh = services.filter(({ isNew }) => isNew)
  const items = kinds.value ?? []
  return (
    <section class="card news" aria-busy={kinds.isBusy}>
      <header>
        <h2>New</h2>
        <span class="faint">first seen in this time</span>
      </header>
      {kinds.fault !== undefined && <Fault words={kinds.fault} again={kinds.again} />}
      <ol>
        {items.slice(0, SIDE_MAX).map((incident) => (
          <li key={incident.id}>
            <a class="t" href={hrefOf(`incidents/${incident.id}`)}>
              {incident.title}
            </a>
            <span class="sub">
              {countText(incident.count)} line{incident.count === 1 ? '' : 's'} since{' '}
              {clockText(Date.parse(incident.firstSeen))}
              {aroundHref(incident) && <a href={aroundHref(incident)}>Lines around it</a>}
            </span>
          </li>
        ))}
        {fresh.slice(0, SIDE_MAX).map(({ name }) => (
          <li key={name}>
            <a class="t" href={hrefOf('logs', { q: selectorOf(name), ...periodOf() })}>
              {name}
            </a>
            <span class="sub">a service that the day before did not have</span>
          </li>
        ))}
      </ol>
      {items.length > SIDE_MAX && (
        <p class="quiet">
          {items.length - SIDE_MAX} more in <a href={hrefOf('incidents')}>Incidents</a>
        </p>
      )}
      {items.length + fresh.length === 0 && !kinds.isBusy && <p class="quiet">Nothing is new.</p>}
    </section>
  )
}

function OpenIncidents({ tick }: { tick: number }) {
  const asked = useAsk(
    (signal) => listIncidents({ state: 'open', limit: 100 }, { signal, want: WANT.patterns }),
    [tick],
  )
  useEvery(NEWS_MS, asked.again)
  const items = asked.value?.items ?? []
  return (
    <section class="card" aria-busy={asked.isBusy}>
      <header>
        <h2>Open incidents</h2>
        <span class="faint">
          {items.length}
          {asked.value?.hasMore && '+'}
        </span>
        <a class="end" href={hrefOf('incidents')}>
          All
        </a>
      </header>
      {asked.fault !== undefined && <Fault words={asked.fault} again={asked.again} />}
      <ol>
        {items.slice(0, SIDE_MAX).map((incident) => (
          <li key={incident.id}>
            <span class="l1">
              <LevelWord level={readLevel(incident.severity)} />
              <a class="t" href={hrefOf(`incidents/${incident.id}`)}>
                {incident.title}
              </a>
            </span>
            <span class="sub">
              {countText(incident.count)}× · last {agoText(Date.parse(incident.lastSeen), Date.now())}
            </span>
          </li>
        ))}
      </ol>
      {items.length === 0 && !asked.isBusy && asked.fault === undefined && (
        <p class="quiet">No open incidents. Error lines of one kind become one.</p>
      )}
    </section>
  )
}

function SourceCard({ tick }: { tick: number }) {
  const asked = useAsk(askSources, [tick])
  if (!asked.value || asked.value.length === 0) return null
  return (
    <section class="card">
      <header>
        <h2>Sources</h2>
        <span class="faint">{asked.value.length} polled</span>
        <a class="end" href={hrefOf('sources')}>
          All
        </a>
      </header>
      <ol>
        {asked.value.slice(0, SIDE_MAX).map((source) => {
          const loss = lossOf(source)
          return (
            <li key={source.projectId}>
              <span class="l1">
                <span class="t">
                  {source.source} · {source.project}
                </span>
              </span>
              <span class={`sub lv ${loss.level}`}>{loss.words}</span>
            </li>
          )
        })}
      </ol>
    </section>
  )
}
