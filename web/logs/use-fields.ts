/** The labels and fields of the lines of a question, and where each comes from. */

import { useEffect, useMemo } from 'preact/hooks'
import { askFields, askLabels, type DetectedField, type Looked, type Range } from '../api/loki.ts'
import { WANT } from '../api/request.ts'
import { type Question, type Source, writeMatchers, writeQuestion } from '../query/chips.ts'
import { useAsk } from '../ui/use-ask.ts'
import { sources } from './state.ts'

const SOURCES_MAX = 2000

export interface Field {
  readonly name: string
  /** How many values it has. */
  readonly values: number
  readonly source: Source
}

export interface Fields {
  /** Labels first, then what lines and their metadata have. */
  readonly all: readonly Field[]
  readonly looked: Looked | undefined
  readonly isBusy: boolean
  readonly fault: string | undefined
  readonly again: () => void
}

/** Asks when an input changes; an undefined question asks nothing. */
export function useFields(question: Question | undefined, range: Range): Fields {
  const selector = question === undefined ? '' : writeMatchers(question.matchers)
  const query = question === undefined ? '' : writeQuestion(question)
  const labels = useAsk(
    async (signal) => (selector === '' ? [] : askLabels(selector, range, { signal, want: WANT.fields, isKept: true })),
    [selector, range],
  )
  const fields = useAsk(
    async (signal) =>
      query === ''
        ? { fields: [], looked: undefined }
        : askFields(query, range, { signal, want: WANT.fields, isKept: true }),
    [query, range],
  )
  const all = useMemo(() => fieldsOf(labels.value ?? [], fields.value?.fields ?? []), [labels.value, fields.value])
  useEffect(() => {
    const known = new Map([...sources.value, ...all.map(({ name, source }) => [name, source] as const)])
    sources.value = new Map([...known].slice(-SOURCES_MAX))
  }, [all])
  return {
    all,
    looked: fields.value?.looked,
    isBusy: labels.isBusy || fields.isBusy,
    fault: labels.fault ?? fields.fault,
    again: () => {
      labels.again()
      fields.again()
    },
  }
}

function fieldsOf(labels: readonly DetectedField[], fields: readonly DetectedField[]): readonly Field[] {
  const known = new Set([...labels.map(({ label }) => label), 'detected_level'])
  const own = labels
    .filter(({ label }) => label !== 'detected_level')
    .map(({ label, cardinality }): Field => ({ name: label, values: cardinality, source: { kind: 'label' } }))
  const inLines = fields
    .filter(({ label }) => !known.has(label))
    .map((field): Field => ({ name: field.label, values: field.cardinality, source: sourceOf(field) }))
  return [...own, ...inLines]
}

function sourceOf({ label, parsers, jsonPath }: DetectedField): Source {
  if (parsers?.includes('json')) return { kind: 'json', path: jsonPath ?? [label] }
  return parsers?.includes('logfmt') ? { kind: 'logfmt', key: label } : { kind: 'metadata' }
}

/** The name that a column of it has: keys of JSON joined by dots. */
export function columnOf({ name, source }: Field): string {
  if (source.kind === 'json') return source.path.join('.')
  return source.kind === 'logfmt' ? source.key : name
}
