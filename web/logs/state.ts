/** What the Logs screen shows, read from the address; and the ways to change it. */

import { batch, computed, signal } from '@preact/signals'
import {
  ALL,
  givesLines,
  isLogql,
  type Question,
  quote,
  readQuestion,
  type Source,
  withFilter,
  withTyped,
  writeMatchers,
  writeQuestion,
} from '../query/chips.ts'
import { change, place } from '../router.ts'
import { remember } from '../settings.ts'

export type View = 'lines' | 'patterns' | 'breakdown'
export const VIEWS: readonly View[] = ['lines', 'patterns', 'breakdown']

export const EVERYTHING = writeMatchers([ALL])

/** Rises when the same question is asked again. */
export const runs = signal(0)
/** Labels and fields that were seen, and where they come from: for what is typed, and for columns. */
export const sources = signal<ReadonlyMap<string, Source>>(new Map([['service_name', { kind: 'label' }]]))

export const logs = computed(() => {
  const { params } = place.value
  const query = params.get('q') || EVERYTHING
  const view = VIEWS.find((each) => each === params.get('view')) ?? 'lines'
  return {
    query,
    question: readQuestion(query),
    isLines: givesLines(query),
    view,
    columns: (params.get('cols') ?? '').split(',').filter((name) => name !== ''),
    direction: params.get('order') === 'forward' ? ('forward' as const) : ('backward' as const),
    isRaw: params.get('raw') === '1',
    isWrapped: params.get('wrap') === '1',
    isLive: params.get('live') === '1',
    isRare: params.get('rare') === '1',
    by: params.get('by') ?? '',
    row: params.get('row') ?? undefined,
  }
})

/** A new question: an entry of the history of the browser and of the page. */
export function ask(query: string, patch: Readonly<Record<string, string | undefined>> = {}): void {
  batch(() => {
    remember(query)
    const before = place.value
    change({ q: query, row: undefined, ...patch }, 'push')
    if (place.value === before) runs.value++
  })
}

export const askQuestion = (question: Question, patch?: Readonly<Record<string, string | undefined>>): void =>
  ask(writeQuestion(question), patch)

/** Takes what was typed: LogQL as it is, other words as a search behind the chips. */
export function askTyped(text: string): void {
  const { question } = logs.value
  if (isLogql(text)) ask(text)
  else if (question === undefined) ask(`${EVERYTHING} |= ${quote(text)}`)
  else askQuestion(withTyped(question, text, (name) => sources.value.get(name)))
}

/** Another filter; a query that cannot be shown as chips gets it as text. */
export function addFilter(name: string, op: '=' | '!=', value: string, source: Source): void {
  const { query, question } = logs.value
  if (question !== undefined) askQuestion(withFilter(question, name, op, value, source))
  else ask(`${query.trimEnd()} | ${name} ${op} ${quote(value)}`)
}

export function toggleColumn(name: string): void {
  const { columns } = logs.value
  const next = columns.includes(name) ? columns.filter((each) => each !== name) : [...columns, name]
  change({ cols: next.join(',') })
}
