/** Lines over time by the values of one label or field, as small charts with their counts. */

import { askFields, askLabels, askSeries, type Range, stepFor } from '../api/loki.ts'
import { Spark } from '../charts/spark.tsx'
import { parserOf, type Question, type Source, writeMatchers, writeQuestion } from '../query/chips.ts'
import { change } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Fault } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { countText, plural } from '../words.ts'
import { addFilter, logs } from './state.ts'

const SHOWN_MAX = 100
const STEPS = 60

interface Named {
  readonly name: string
  readonly source: Source
}

export function Breakdown({ question, range }: { question: Question; range: Range }) {
  const selector = writeMatchers(question.matchers)
  const query = writeQuestion(question)
  const names = useAsk(
    async (signal): Promise<readonly Named[]> => {
      const asking = { signal, isKept: true }
      const [labels, { fields }] = await Promise.all([
        askLabels(selector, range, asking),
        askFields(query, range, asking),
      ])
      const own = labels
        .filter(({ cardinality }) => cardinality > 1)
        .map(({ label }) => ({ name: label, source: { kind: 'label' } as Source }))
      const inLines = fields
        .filter(
          ({ label, cardinality }) =>
            cardinality > 1 && label !== 'detected_level' && !own.some(({ name }) => name === label),
        )
        .map(({ label, parsers, jsonPath }): Named => {
          if (parsers?.includes('json')) return { name: label, source: { kind: 'json', path: jsonPath ?? [label] } }
          return {
            name: label,
            source: parsers?.includes('logfmt') ? { kind: 'logfmt', key: label } : { kind: 'metadata' },
          }
        })
      return [{ name: 'detected_level', source: { kind: 'metadata' } }, ...own, ...inLines]
    },
    [selector, query, range],
  )
  const chosen = names.value?.find(({ name }) => name === logs.value.by) ?? names.value?.[1] ?? names.value?.[0]
  if (names.fault !== undefined) return <Fault words={names.fault} again={names.again} />
  return (
    <div class="scroll breakdown" aria-busy={names.isBusy}>
      <p class="bar-top">
        <label>
          By{' '}
          <select value={chosen?.name} onChange={(event) => change({ by: event.currentTarget.value })}>
            {names.value?.map(({ name }) => (
              <option key={name} value={name}>
                {name === 'detected_level' ? 'level' : name}
              </option>
            ))}
          </select>
        </label>
      </p>
      {chosen && <Parts key={chosen.name} by={chosen} query={query} range={range} />}
    </div>
  )
}

function Parts({ by: { name, source }, query, range }: { by: Named; query: string; range: Range }) {
  const step = stepFor(range, STEPS)
  const parser = parserOf(name, source)
  const parsed = parser === undefined ? query : `${query} ${parser} | __error__=""`
  const asked = useAsk(
    (signal) =>
      askSeries(`sum by (${name}) (count_over_time(${parsed} [${step}s]))`, range, step, { signal, isKept: true }),
    [parsed, range],
  )
  if (asked.fault !== undefined) return <Fault words={asked.fault} again={asked.again} />
  const first = Math.floor(range.start / 1000 / step)
  const size = Math.ceil(range.end / 1000 / step) - first
  const rows = (asked.value ?? []).map(({ metric, values }) => {
    const counts = new Array<number>(Math.max(1, size)).fill(0)
    for (const [at, value] of values) {
      const i = Math.round(at / step) - 1 - first
      if (i >= 0 && i < counts.length) counts[i] = Number(value)
    }
    return { value: metric[name] ?? '', counts, count: counts.reduce((sum, each) => sum + each, 0) }
  })
  rows.sort((a, b) => b.count - a.count)
  return (
    <>
      <ul class="parts" aria-busy={asked.isBusy}>
        {rows.slice(0, SHOWN_MAX).map(({ value, counts, count }) => (
          <li key={value}>
            <header>
              <b class="mono">{value === '' ? 'none' : value}</b>
              <span class="num">{countText(count)}</span>
              {value !== '' && (
                <span class="acts">
                  <button
                    type="button"
                    aria-label={`Only ${name} ${value}`}
                    onClick={() => addFilter(name, '=', value, source)}
                  >
                    <Icon name="plus" />
                  </button>
                  <button
                    type="button"
                    aria-label={`Not ${name} ${value}`}
                    onClick={() => addFilter(name, '!=', value, source)}
                  >
                    <Icon name="minus" />
                  </button>
                </span>
              )}
            </header>
            <Spark counts={counts} level="info" name={`${plural(count, 'line')} over time`} />
          </li>
        ))}
      </ul>
      {rows.length > SHOWN_MAX && <p class="quiet">{countText(rows.length - SHOWN_MAX)} more values are not shown.</p>}
    </>
  )
}
