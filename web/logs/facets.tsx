/** Labels and fields of the lines with the counts of their values; each value is a click to include or exclude. */

import { useEffect, useMemo, useState } from 'preact/hooks'
import { askNumbers, type Range } from '../api/loki.ts'
import { WANT } from '../api/request.ts'
import { parserOf, type Question, type Source, writeQuestion } from '../query/chips.ts'
import { Icon } from '../ui/icon.tsx'
import { Fault } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { clockText, countText, shortText } from '../words.ts'
import { addFilter, logs, toggleColumn } from './state.ts'
import { columnOf, type Field, type Fields } from './use-fields.ts'

const OPEN_MAX = 3
const VALUES_MAX = 20
/** A field with more values says little by a list of them. */
const OPENED_VALUES_MAX = 20
const TYPING_MS = 250

export function Facets({ question, range, fields }: { question: Question; range: Range; fields: Fields }) {
  const query = writeQuestion(question)
  const [typed, setTyped] = useState('')
  const [find, setFind] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setFind(typed.toLowerCase()), TYPING_MS)
    return () => clearTimeout(timer)
  }, [typed])
  const facets = useMemo(() => sorted(fields.all), [fields.all])
  const shown = facets.filter(({ name }) => name.toLowerCase().includes(find))
  const opened = useMemo(() => new Set(firstOpened(facets)), [facets.map(({ name }) => name).join()])
  const { looked, isBusy, fault, again } = fields
  return (
    <aside class="facets" aria-label="Labels and fields" aria-busy={isBusy}>
      <label class="find">
        <Icon name="search" />
        <input
          placeholder="Find a field"
          aria-label="Find a field"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
      {fault && <Fault words={fault} again={again} />}
      {shown.map((facet) => (
        <FacetPart
          key={`${facet.source.kind}.${facet.name}`}
          facet={facet}
          query={query}
          range={range}
          isFirst={opened.has(facet.name)}
        />
      ))}
      {facets.length === 0 && !isBusy && <p class="quiet">These lines have no labels or fields.</p>}
      {looked && !looked.isWhole && (
        <p class="quiet">
          Fields come from the newest {countText(looked.lines)} lines, since {clockText(looked.from, true)}.
        </p>
      )}
    </aside>
  )
}

/** Labels before what is in the lines, each group by its use. */
const sorted = (fields: readonly Field[]): readonly Field[] =>
  fields.toSorted((a, b) => place(a) - place(b) || rank(a) - rank(b) || (a.name < b.name ? -1 : 1))

const place = ({ source }: Field): number => (source.kind === 'label' ? 0 : 1)

/** Those with a few values first, then many, then one alone. */
const rank = ({ values }: Field): number => (values === 1 ? 2 : values <= OPENED_VALUES_MAX ? 0 : 1)

const firstOpened = (facets: readonly Field[]): readonly string[] =>
  facets
    .filter((facet) => rank(facet) === 0)
    .slice(0, OPEN_MAX)
    .map(({ name }) => name)

function FacetPart({ facet, query, range, isFirst }: { facet: Field; query: string; range: Range; isFirst: boolean }) {
  const [choice, setChoice] = useState<boolean>()
  const isOpen = choice ?? isFirst
  const { name, values, source } = facet
  const column = columnOf(facet)
  return (
    <section class="facet">
      <h3>
        <button type="button" aria-expanded={isOpen} onClick={() => setChoice(!isOpen)}>
          <Icon name={isOpen ? 'down' : 'right'} />
          {name}
          <span class="faint">
            {values >= 1000 ? '1,000+' : shortText(values)}
            {(source.kind === 'json' || source.kind === 'logfmt') && ' · in the line'}
          </span>
        </button>
        <button
          type="button"
          class="as-column"
          aria-label={`Column ${column}`}
          title="As a column"
          aria-pressed={logs.value.columns.includes(column)}
          onClick={() => toggleColumn(column)}
        >
          <Icon name="column" />
        </button>
      </h3>
      {isOpen && <Values facet={facet} query={query} range={range} />}
    </section>
  )
}

/** Counts of the values of a field over the whole range. */
export function countQuery(query: string, name: string, source: Source, range: Range): string {
  const seconds = Math.max(1, Math.ceil((range.end - range.start) / 1000))
  const parser = parserOf(name, source)
  const parsed = parser === undefined ? query : `${query} ${parser} | __error__=""`
  const present = source.kind === 'label' ? parsed : `${parsed} | ${name} != ""`
  return `topk(${VALUES_MAX}, sum by (${name}) (count_over_time(${present} [${seconds}s])))`
}

function Values({ facet: { name, source }, query, range }: { facet: Field; query: string; range: Range }) {
  const counted = useAsk(
    (signal) =>
      askNumbers(countQuery(query, name, source, range), range.end, { signal, want: WANT.fields, isKept: true }),
    [query, range, name],
  )
  if (counted.fault !== undefined) return <Fault words={counted.fault} again={counted.again} />
  const rows = (counted.value ?? [])
    .filter(({ metric }) => (metric[name] ?? '') !== '')
    .toSorted((a, b) => b.value - a.value)
  const top = Math.max(1, ...rows.map(({ value }) => value))
  return (
    <ul aria-busy={counted.isBusy} class={counted.value === undefined ? 'waiting' : ''}>
      {rows.map(({ metric, value }) => {
        const text = metric[name] as string
        return (
          <li key={text}>
            <button
              type="button"
              class="v"
              title={`Only ${name} ${text}`}
              onClick={() => addFilter(name, '=', text, source)}
            >
              {text}
            </button>
            <span class="num">{shortText(value)}</span>
            <span class="pm">
              <button
                type="button"
                aria-label={`Only ${name} ${text}`}
                onClick={() => addFilter(name, '=', text, source)}
              >
                <Icon name="plus" />
              </button>
              <button
                type="button"
                aria-label={`Not ${name} ${text}`}
                onClick={() => addFilter(name, '!=', text, source)}
              >
                <Icon name="minus" />
              </button>
            </span>
            <i style={{ width: `${((value / top) * 100).toFixed(1)}%` }} />
          </li>
        )
      })}
      {rows.length === VALUES_MAX && <li class="quiet">The {VALUES_MAX} most frequent.</li>}
      {rows.length === 0 && !counted.isBusy && <li class="quiet">No values.</li>}
    </ul>
  )
}
