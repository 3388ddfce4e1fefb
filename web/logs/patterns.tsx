/** Patterns of the lines with their counts, the most frequent or the rarest first; each leads to its lines. */

import { askPatterns, type Pattern, type Range, stepFor } from '../api/loki.ts'
import { Spark } from '../charts/spark.tsx'
import { levelsOf, type Question, withLine, writeMatchers } from '../query/chips.ts'
import { LEVELS, type Level, readLevel } from '../query/levels.ts'
import { change } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Fault, LevelWord } from '../ui/parts.tsx'
import { useAsk } from '../ui/use-ask.ts'
import { clockText, countText } from '../words.ts'
import { askQuestion, logs } from './state.ts'

const SHOWN_MAX = 500
const STEPS = 40

interface Row {
  readonly pattern: string
  readonly levels: readonly Level[]
  readonly count: number
  readonly counts: readonly number[]
}

export function Patterns({ question, range }: { question: Question; range: Range }) {
  const selector = writeMatchers(question.matchers)
  const levels = levelsOf(question)
  const { isRare } = logs.value
  const step = Math.max(10, stepFor(range, STEPS))
  const asked = useAsk((signal) => askPatterns(selector, range, step, { signal }), [selector, range])
  if (asked.fault !== undefined) return <Fault words={asked.fault} again={asked.again} />
  const rows = merge(asked.value?.patterns ?? [], levels, range, step)
  rows.sort((a, b) => (isRare ? a.count - b.count : b.count - a.count))
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  const looked = asked.value?.looked
  const others = question.stages.filter((stage) => !(stage.kind === 'label' && stage.name === 'detected_level'))
  const open = (pattern: string, op: '|>' | '!>'): void =>
    askQuestion(withLine(question, op, pattern), { view: 'lines', rare: undefined })
  return (
    <div class="patterns scroll" aria-busy={asked.isBusy}>
      <p class="bar-top">
        <button
          type="button"
          class="btn small"
          aria-pressed={isRare}
          onClick={() => change({ rare: isRare ? undefined : '1' })}
        >
          Rare first
        </button>
        <span class="soft">
          {countText(rows.length)} patterns of {countText(total)} lines.
          {looked &&
            !looked.isWhole &&
            ` They come from the newest ${countText(looked.lines)} lines, since ${clockText(looked.from, true)}.`}
          {others.length > 0 &&
            ' Patterns are of all lines of these labels and levels; the other filters do not narrow them.'}
        </span>
      </p>
      <table class="data">
        <thead>
          <tr>
            <th scope="col" class="num">
              Lines
            </th>
            <th scope="col" class="num">
              Share
            </th>
            <th scope="col">Level</th>
            <th scope="col" class="wide">
              Over time
            </th>
            <th scope="col">Pattern</th>
            <th scope="col">
              <span class="hidden">Filters</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN_MAX).map((row) => (
            <tr key={row.pattern}>
              <td class="num">{countText(row.count)}</td>
              <td class="num soft">{shareText(row.count / total)}</td>
              <td>
                {row.levels.map((level) => (
                  <LevelWord key={level} level={level} />
                ))}
              </td>
              <td class="wide">
                <Spark
                  counts={row.counts}
                  level={row.levels[0] ?? 'info'}
                  name={`${countText(row.count)} lines over time`}
                />
              </td>
              <td class="mono pattern">
                <button
                  type="button"
                  onClick={() => open(row.pattern, '|>')}
                  aria-label={`Show the lines of ${row.pattern}`}
                  title="Show its lines"
                >
                  {row.pattern.split(/(<_>)/).map((part, i) => (
                    <span key={i} class={part === '<_>' ? 'hole' : ''}>
                      {part}
                    </span>
                  ))}
                </button>
              </td>
              <td class="acts">
                <button type="button" class="btn small" onClick={() => open(row.pattern, '|>')}>
                  Lines
                </button>
                <button
                  type="button"
                  aria-label={`Not ${row.pattern}`}
                  title="Only lines without it"
                  onClick={() => open(row.pattern, '!>')}
                >
                  <Icon name="minus" />
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > SHOWN_MAX && <p class="quiet">{countText(rows.length - SHOWN_MAX)} more are not shown.</p>}
      {rows.length === 0 && !asked.isBusy && <p class="quiet">There are no lines to make patterns of.</p>}
    </div>
  )
}

const shareText = (share: number): string =>
  share < 0.001 ? '< 0.1 %' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`

/** One row for each pattern, whatever its levels. */
function merge(patterns: readonly Pattern[], wanted: readonly Level[], { start, end }: Range, step: number): Row[] {
  const first = Math.floor(start / 1000 / step)
  const size = Math.max(1, Math.ceil(end / 1000 / step) - first)
  const rows = new Map<string, { levels: Set<Level>; count: number; counts: number[] }>()
  for (const { pattern, level, samples } of patterns) {
    const known = readLevel(level)
    if (!wanted.includes(known)) continue
    const row = rows.get(pattern) ?? { levels: new Set(), count: 0, counts: new Array<number>(size).fill(0) }
    rows.set(pattern, row)
    row.levels.add(known)
    for (const [at, count] of samples) {
      const i = Math.min(Math.max(Math.floor(at / step) - first, 0), size - 1)
      row.count += count
      row.counts[i] = (row.counts[i] ?? 0) + count
    }
  }
  return [...rows].map(([pattern, { levels, count, counts }]) => ({
    pattern,
    count,
    counts,
    levels: LEVELS.filter((level) => levels.has(level)),
  }))
}
