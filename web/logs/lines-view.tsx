/** The lines of the Logs screen, from a query or live, with the keyboard, opened rows, and what to do where there are none. */

import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Range } from '../api/loki.ts'
import { copy } from '../lines/copy.ts'
import { Detail } from '../lines/detail.tsx'
import { type Entry, nameOf, serviceOf } from '../lines/entry.ts'
import { LineList, type ListHandle } from '../lines/list.tsx'
import { LineCells, type RowLook } from '../lines/row.tsx'
import { type Question, writeQuestion } from '../query/chips.ts'
import { needlesOf, wordsOfStage } from '../query/words.ts'
import { change } from '../router.ts'
import { isUtc } from '../settings.ts'
import { Icon } from '../ui/icon.tsx'
import { useKeys } from '../ui/keys.ts'
import { Fault, Skeleton, say } from '../ui/parts.tsx'
import { Sheet } from '../ui/sheet.tsx'
import { usePhone } from '../ui/use-phone.ts'
import { clockText, countText, timeText, zoneText } from '../words.ts'
import { addFilter, ask, askQuestion, logs, runs, toggleColumn } from './state.ts'
import { LINES_MAX, type Lines } from './use-lines.ts'
import { LIVE_MAX, type Live } from './use-live.ts'

const ROW = 24
const ROW_PHONE = 48
/** A list with fewer lines would reach its top again by the room that it gets. */
const SCROLLED_MIN = 40

const NONE_OPEN: ReadonlySet<Entry> = new Set()

interface LinesViewProps {
  readonly range: Range
  readonly lines: Lines
  readonly live: Live | undefined
  /** Called when somebody reads: live lines are held then. */
  readonly onReading: (isReading: boolean) => void
  /** Called when the list leaves its top and comes back to it. */
  readonly onScrolled: (isScrolled: boolean) => void
}

export function LinesView({ range, lines, live, onReading, onScrolled }: LinesViewProps) {
  const { query, question, columns, isRaw, isWrapped, row: wantedRow } = logs.value
  const entries = live?.entries ?? lines.entries
  const [opened, setOpened] = useState<ReadonlySet<Entry>>(new Set())
  const [activeEntry, setActiveEntry] = useState<Entry>()
  const isAtTop = useRef(true)
  const handle = useRef<ListHandle | undefined>(undefined)
  const isPhone = usePhone()
  const utc = isUtc.value
  const active = useMemo(() => (activeEntry === undefined ? -1 : entries.indexOf(activeEntry)), [entries, activeEntry])
  const look = useMemo<RowLook>(
    () => ({ columns: isPhone ? [] : columns, isRaw, isWrapped, needles: needlesOf(question), zone: utc }),
    [columns.join(), isPhone, isRaw, isWrapped, query, utc],
  )
  useEffect(() => {
    setOpened(new Set())
    setActiveEntry(undefined)
    if (live === undefined) handle.current?.toTop()
  }, [query, range, live === undefined])
  useEffect(() => {
    const wanted = wantedRow === undefined ? undefined : entries.find((entry) => nameOf(entry) === wantedRow)
    if (wanted === undefined || opened.has(wanted)) return
    setOpened(new Set([wanted]))
    setActiveEntry(wanted)
    handle.current?.show(entries.indexOf(wanted))
  }, [entries, wantedRow])
  const isReading = opened.size > 0
  useEffect(() => onReading(isReading || !isAtTop.current), [isReading])
  useEffect(() => {
    // Back closes the sheet of a phone.
    if (isPhone && wantedRow === undefined) setOpened(new Set())
  }, [isPhone, wantedRow])
  const toggle = (entry: Entry): void => {
    if (isPhone) {
      setOpened(new Set([entry]))
      setActiveEntry(entry)
      change({ row: nameOf(entry) }, 'push')
      return
    }
    const next = new Set(opened)
    if (!next.delete(entry)) next.add(entry)
    setOpened(next)
    setActiveEntry(entry)
    change({ row: next.has(entry) ? nameOf(entry) : undefined })
  }
  const step = (by: number): void => {
    const next = Math.min(Math.max(active + by, 0), entries.length - 1)
    setActiveEntry(entries[next])
    handle.current?.focus(next)
  }
  const nextFault = (by: 1 | -1): void => {
    for (let i = active + by; i >= 0 && i < entries.length; i += by) {
      const { level } = entries[i] as Entry
      if (level !== 'error' && level !== 'critical') continue
      setActiveEntry(entries[i])
      handle.current?.focus(i)
      return
    }
  }
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    e: () => nextFault(1),
    E: () => nextFault(-1),
    x: () => {
      if (activeEntry !== undefined && !opened.has(activeEntry)) toggle(activeEntry)
    },
    c: async () => {
      if (activeEntry === undefined) return
      say((await copy(activeEntry.line)) ? 'The line is copied.' : 'The browser does not let this page copy.')
    },
  })
  if (live === undefined && lines.fault !== undefined && entries.length === 0)
    return (
      <div class="empty">
        <Fault words={lines.fault} again={() => ask(query)} />
      </div>
    )
  if (entries.length === 0 && live === undefined && !lines.isBusy) return <NoLines question={question} range={range} />
  const isToday = entries.length === 0 || new Date(entries.at(-1)?.ms ?? 0).toDateString() === new Date().toDateString()
  const grid = isPhone
    ? undefined
    : `4px ${isToday ? 98 : 142}px 48px 112px ${columns.map(() => 'minmax(72px, 128px)').join(' ')} minmax(0, 1fr)`
  const acts = { filter: addFilter, toggleColumn, columns, hasColumns: !isPhone, query, range }
  return (
    <div
      class={`list ${isWrapped ? 'wrapped' : ''} ${isPhone ? 'phone' : ''} ${lines.isBusy && live === undefined ? 'busy' : ''}`}
      aria-busy={lines.isBusy && live === undefined}
      style={grid === undefined ? {} : { '--cols': grid }}
    >
      {live === undefined && lines.isCut && <Cut first={entries[0]} />}
      {live !== undefined && live.held > 0 && (
        <button
          type="button"
          class="btn main held"
          onClick={() => {
            setOpened(new Set())
            live.flush()
            handle.current?.toTop()
          }}
        >
          {countText(live.held)} new line{live.held === 1 ? '' : 's'}
        </button>
      )}
      <LineList
        entries={entries}
        rowHeight={isPhone ? ROW_PHONE : ROW}
        isLoose={isWrapped}
        opened={isPhone ? NONE_OPEN : opened}
        active={active}
        handle={handle}
        onNearEnd={live === undefined ? lines.more : undefined}
        onScrolled={(isTop) => {
          if (isTop === isAtTop.current) return
          isAtTop.current = isTop
          onReading(!isTop || isReading)
          onScrolled(!isTop && entries.length > SCROLLED_MIN)
        }}
        head={<Head columns={columns} />}
        foot={live === undefined ? <Foot lines={lines} range={range} /> : <LiveFoot count={entries.length} />}
      >
        {(entry, index) => (
          <>
            <div
              role="row"
              aria-rowindex={index + 2}
              aria-expanded={opened.has(entry)}
              tabIndex={index === active || (active < 0 && index === 0) ? 0 : -1}
              class={`r ${entry.level} ${opened.has(entry) ? 'open' : ''}`}
              onClick={() => {
                if (getSelection()?.isCollapsed !== false) toggle(entry)
              }}
              onFocus={() => setActiveEntry(entry)}
              onKeyDown={(event) => {
                if (event.target !== event.currentTarget) return
                if (event.key === 'Enter') {
                  event.preventDefault()
                  toggle(entry)
                }
                const by = {
                  ArrowDown: 1,
                  ArrowUp: -1,
                  PageDown: 20,
                  PageUp: -20,
                  Home: -entries.length,
                  End: entries.length,
                }[event.key]
                if (by === undefined) return
                event.preventDefault()
                step(by)
              }}
            >
              <LineCells entry={entry} look={look} />
            </div>
            {opened.has(entry) && !isPhone && (
              <div role="row">
                <div role="gridcell">
                  <Detail entry={entry} acts={acts} />
                </div>
              </div>
            )}
          </>
        )}
      </LineList>
      {isPhone &&
        [...opened].map((entry) => (
          <Sheet
            key={nameOf(entry)}
            title={`${timeText(entry.ms)} ${serviceOf(entry)}`}
            onClose={() => change({ row: undefined })}
          >
            <Detail entry={entry} acts={acts} />
          </Sheet>
        ))}
    </div>
  )
}

function Head({ columns }: { columns: readonly string[] }) {
  return (
    <div role="row" aria-rowindex={1} class="hd">
      <i />
      {[`Time, ${zoneText()}`, 'Level', 'Service'].map((words) => (
        <span key={words} role="columnheader">
          {words}
        </span>
      ))}
      {columns.map((name) => (
        <span key={name} role="columnheader" class="col">
          <span>{name}</span>
          <button type="button" aria-label={`Remove the column ${name}`} onClick={() => toggleColumn(name)}>
            <Icon name="x" />
          </button>
        </span>
      ))}
      <span role="columnheader">Message</span>
    </div>
  )
}

/** A link leads to a line that is not among the first: the list begins at it. */
function Cut({ first }: { first: Entry | undefined }) {
  const showAll = (): void => {
    change({ row: undefined })
    runs.value++
  }
  return (
    <p class="strip">
      Lines begin at {timeText(first?.ms ?? 0)} {zoneText()}, at the line of the link.
      <button type="button" class="btn small" onClick={showAll}>
        Begin at the first
      </button>
    </p>
  )
}

function LiveFoot({ count }: { count: number }) {
  if (count === 0) return <p class="quiet">Waiting for lines. Each is shown as it comes.</p>
  if (count < LIVE_MAX) return null
  return <p class="quiet">The newest {countText(LIVE_MAX)} lines are shown; all are in Lines.</p>
}

function Foot({ lines, range }: { lines: Lines; range: Range }) {
  const { entries, hasMore, isBusy, fault } = lines
  if (isBusy && entries.length === 0) return <Skeleton />
  if (fault !== undefined) return <Fault words={fault} again={lines.more} />
  if (entries.length >= LINES_MAX)
    return <p class="quiet">{countText(LINES_MAX)} lines are shown. Narrow the time, or download.</p>
  if (hasMore) return <p class="quiet">More lines come as you scroll.</p>
  return (
    <p class="quiet">
      These are all {countText(entries.length)} lines between {clockText(range.start, false, true)} and{' '}
      {clockText(range.end, false, true)} {zoneText()}.
    </p>
  )
}

function NoLines({ question, range }: { question: Question | undefined; range: Range }) {
  const stages = question?.stages ?? []
  const isLong = range.end - range.start > 86_400_000 || Date.now() - range.start > 86_400_000
  return (
    <div class="empty">
      <h2>
        No lines between {clockText(range.start, false, isLong)} and {clockText(range.end, false, isLong)} match.
      </h2>
      <p class="choices">
        {WIDER.filter(([, ms]) => range.end - range.start < ms).map(([from, , words]) => (
          <button key={from} type="button" class="btn" onClick={() => change({ from, to: undefined }, 'push')}>
            {words}
          </button>
        ))}
      </p>
      {question !== undefined && stages.length > 0 && (
        <>
          <p>Or take a filter off:</p>
          <p class="choices">
            {stages.map((stage, i) => {
              const rest = { ...question, stages: stages.filter((each) => each !== stage) }
              const { name, words, value } = wordsOfStage(stage)
              return (
                <button
                  key={i}
                  type="button"
                  class="btn small"
                  title={writeQuestion(rest)}
                  onClick={() => askQuestion(rest)}
                >
                  <Icon name="x" />
                  {name} {words} <span class="mono">{value}</span>
                </button>
              )
            })}
          </p>
        </>
      )}
    </div>
  )
}

const WIDER = [
  ['now-24h', 86_400_000, 'Look at the last day'],
  ['now-7d', 604_800_000, 'Look at the last 7 days'],
] as const
