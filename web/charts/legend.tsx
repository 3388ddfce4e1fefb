/** The levels with their counts; each can be switched on and off. */

import { LEVELS, type Level, SHOWN } from '../query/levels.ts'
import { shortText } from '../words.ts'

interface LegendProps {
  readonly totals: ReadonlyMap<Level, number>
  readonly on: readonly Level[]
  readonly onToggle: (level: Level) => void
}

export function Legend({ totals, on, onToggle }: LegendProps) {
  return (
    <fieldset class="legend">
      <legend class="hidden">Levels</legend>
      {LEVELS.filter((level) => (totals.get(level) ?? 0) > 0 || (on.length < LEVELS.length && on.includes(level))).map(
        (level) => (
          <button key={level} type="button" aria-pressed={on.includes(level)} onClick={() => onToggle(level)}>
            <i class={`sw ${level}`} />
            {SHOWN[level]} <b>{shortText(totals.get(level) ?? 0)}</b>
          </button>
        ),
      )}
    </fieldset>
  )
}

/** All on: a press shows the one alone. Otherwise it is switched. */
export function toggled(on: readonly Level[], level: Level): readonly Level[] {
  if (on.length === LEVELS.length) return [level]
  const next = on.includes(level) ? on.filter((each) => each !== level) : [...on, level]
  return LEVELS.filter((each) => next.includes(each))
}
