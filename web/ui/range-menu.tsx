/** The time range in the head: presets, two times, and a step back and forth. */

import { useState } from 'preact/hooks'
import { runs } from '../logs/state.ts'
import { PRESETS, rangeNames, rangeNow, rangeText, timeParams } from '../range.ts'
import { change } from '../router.ts'
import { isUtc } from '../settings.ts'
import { inputText, readInput, zoneText } from '../words.ts'
import { Icon } from './icon.tsx'
import { Menu } from './parts.tsx'

export function RangeMenu() {
  const { from, to } = rangeNames.value
  return (
    <div class="join">
      <Menu label={<span class="range-words">{rangeText()}</span>} name={`Time range: ${rangeText()}`} icon="clock">
        {(close) => (
          <>
            {PRESETS.map(([name, words]) => (
              <button
                key={name}
                type="button"
                aria-pressed={from === name && to === 'now'}
                onClick={() => {
                  change({ from: name, to: undefined }, 'push')
                  close()
                }}
              >
                {words}
              </button>
            ))}
            <Times close={close} />
          </>
        )}
      </Menu>
      <button
        type="button"
        class="btn icon"
        aria-label="Ask again"
        title="Ask again ( r )"
        onClick={() => {
          runs.value++
        }}
      >
        <Icon name="again" />
      </button>
    </div>
  )
}

function Times({ close }: { close: () => void }) {
  const now = rangeNow()
  const [start, setStart] = useState(inputText(now.start))
  const [end, setEnd] = useState(inputText(now.end))
  const [a, b] = [readInput(start), readInput(end)]
  const isGood = a < b
  return (
    <form
      class="times"
      onSubmit={(event) => {
        event.preventDefault()
        if (!isGood) return
        change(timeParams({ start: a, end: b }), 'push')
        close()
      }}
    >
      <label>
        From, {zoneText()}
        <input type="datetime-local" step="1" value={start} onInput={(event) => setStart(event.currentTarget.value)} />
      </label>
      <label>
        To
        <input type="datetime-local" step="1" value={end} onInput={(event) => setEnd(event.currentTarget.value)} />
      </label>
      <label class="line">
        <input
          type="checkbox"
          checked={isUtc.value}
          onChange={(event) => {
            isUtc.value = event.currentTarget.checked
          }}
        />
        Times in UTC
      </label>
      <button type="submit" class="btn main small" disabled={!isGood}>
        {isGood ? 'Show' : 'The end is before the start'}
      </button>
    </form>
  )
}
