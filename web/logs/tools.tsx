/** The row of tools above the lines: views, what was read, live, how lines look, columns, downloads. */

import type { Range } from '../api/loki.ts'
import { change, hrefOf, place } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Menu } from '../ui/parts.tsx'
import { bytesText, countText, plural } from '../words.ts'
import { SaveMenu } from './save-menu.tsx'
import { logs, toggleColumn, VIEWS } from './state.ts'
import { columnOf, type Fields } from './use-fields.ts'
import type { Lines } from './use-lines.ts'
import type { Live } from './use-live.ts'

interface ToolsProps {
  readonly range: Range
  readonly lines: Lines
  readonly live: Live
  readonly fields: Fields
  readonly isPaused: boolean
  readonly isPhone: boolean
  readonly onPause: () => void
  readonly onLive: () => void
  /** Shows labels and fields, where they have no place of their own. */
  readonly onFilters: () => void
}

export function Tools({ range, lines, live, fields, isPaused, isPhone, onPause, onLive, onFilters }: ToolsProps) {
  const { view, isRaw, isWrapped, isLive, direction } = logs.value
  return (
    <div class="tools">
      <nav class="tabs" aria-label="Of these lines">
        {VIEWS.map((each) => (
          <a
            key={each}
            href={hrefOf('logs', {
              ...Object.fromEntries(place.value.params),
              view: each === 'lines' ? undefined : each,
              live: undefined,
              row: undefined,
            })}
            aria-current={view === each && !isLive ? 'true' : undefined}
          >
            {each[0]?.toUpperCase()}
            {each.slice(1)}
          </a>
        ))}
      </nav>
      <span class="soft state" role="status">
        {isLive ? '' : statusOf(lines)}
      </span>
      {isLive && <LiveState live={live} isPaused={isPaused} onPause={onPause} />}
      <div class="end">
        {isPhone && !isLive && (
          <button type="button" class="btn small" onClick={onFilters}>
            Filters
          </button>
        )}
        <button type="button" class="btn small" id="live" aria-pressed={isLive} onClick={onLive}>
          Live
        </button>
        <button
          type="button"
          class="btn small"
          aria-pressed={isRaw}
          onClick={() => change({ raw: isRaw ? undefined : '1' })}
        >
          Raw
        </button>
        <button
          type="button"
          class="btn small"
          aria-pressed={isWrapped}
          onClick={() => change({ wrap: isWrapped ? undefined : '1' })}
        >
          Wrap
        </button>
        {!isPhone && <ColumnMenu fields={fields} />}
        {!isLive && (
          <button
            type="button"
            class="btn small"
            aria-pressed={direction === 'forward'}
            onClick={() => change({ order: direction === 'forward' ? undefined : 'forward' })}
          >
            Oldest first
          </button>
        )}
        <SaveMenu range={range} />
      </div>
    </div>
  )
}

function ColumnMenu({ fields }: { fields: Fields }) {
  const { columns } = logs.value
  const names = [...new Set([...columns, ...fields.all.map(columnOf)])]
  const label = columns.length === 0 ? 'Columns' : `Columns ${columns.length}`
  return (
    <Menu label={label} name="Columns" icon="column" class="small">
      {() => (
        <>
          {names.map((name) => (
            <button
              key={name}
              type="button"
              class="mono"
              aria-pressed={columns.includes(name)}
              onClick={() => toggleColumn(name)}
            >
              {columns.includes(name) && <Icon name="check" />}
              {name}
            </button>
          ))}
          {names.length === 0 && <p class="quiet">These lines have no labels or fields.</p>}
        </>
      )}
    </Menu>
  )
}

function statusOf({ entries, isBusy, hasMore, bytes, ms, fault }: Lines): string {
  if (fault !== undefined) return ''
  if (isBusy) return 'Reading …'
  return `${plural(entries.length, 'line')}${hasMore ? ' so far' : ''} · ${bytesText(bytes)} read · ${(ms / 1000).toFixed(2)} s`
}

function LiveState({ live, isPaused, onPause }: { live: Live; isPaused: boolean; onPause: () => void }) {
  return (
    <span class="live-state">
      <button type="button" class="btn small" onClick={onPause} aria-pressed={isPaused}>
        {isPaused ? 'Go on' : 'Pause'}
      </button>
      <span class="soft">
        {live.rate >= 10 ? Math.round(live.rate) : live.rate.toFixed(1)} lines a second
        {live.held > 0 && ` · ${countText(live.held)} wait`}
      </span>
      {live.lost > 0 && (
        <span class="bad">
          {plural(live.lost, 'line')} {live.lost === 1 ? 'is' : 'are'} left out: more came than can be shown.
        </span>
      )}
      {live.trouble && <span class="bad">{live.trouble} Trying again.</span>}
    </span>
  )
}
