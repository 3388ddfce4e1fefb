/** Lines over time by the values of one label or field, as small charts with their counts. */

import { askSeries, type Range, stepFor } from '../api/loki.ts'
import { Spark } from '../charts/spark.tsx'
import { parserOf, type Question, writeQuestion } from '../query/chips.ts'
import { change } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Fault, Skeleton } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { countText, plural } from '../words.ts'
import { addFilter, logs } from './state.ts'
import type { Field, Fields } from './use-fields.ts'

const SHOWN_MAX = 100
const STEPS = 60

const LEVEL: Field = { name: 'detected_level', values: 0, source: { kind: 'metadata' } }

export function Breakdown({ question, range, fields }: { question: Question; range: Range; fields: Fields }) {
  const query = writeQuestion(question)
  const named = [LEVEL, ...fields.all.filter(({ values }) => values > 1)]
  const chosen = named.find(({ name }) => name === logs.value.by) ?? named[1] ?? LEVEL
  if (fields.fault !== undefined) return <Fault words={fields.fault} again={fields.again} />
  if (fields.isBusy && fields.all.length === 0) return <Skeleton />
  return (
    <div class="scroll breakdown" aria-busy={fields.isBusy}>
      <p class="bar-top">
        <label>
          By{' '}
          <select value={chosen.name} onChange={(event) => change({ by: event.currentTarget.value })}>
            {named.map(({ name }) => (
              <option key={name} value={name}>
                {name === 'detected_level' ? 'level' : name}
              </option>
            ))}
          </select>
        </label>
      </p>
      <Parts key={chosen.name} by={chosen} query={query} range={range} />
    </div>
  )
}

function Parts({ by: { name, source }, query, range }: { by: Field; query: string; range: Range }) {
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
