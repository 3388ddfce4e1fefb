/** Single keys of the page; off while somebody types, and where they were switched off (WCAG 2.1.4). */

import { useEffect, useRef } from 'preact/hooks'
import { hasKeys } from '../settings.ts'

export type Keys = Readonly<Record<string, () => unknown>>

export function useKeys(keys: Keys): void {
  const latest = useRef(keys)
  latest.current = keys
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (!hasKeys.value || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event))
        return
      const act = latest.current[event.key]
      if (act === undefined || isTaken(event)) return
      event.preventDefault()
      act()
    }
    document.addEventListener('keydown', onKeyDown)
    return () => document.removeEventListener('keydown', onKeyDown)
  }, [])
}

function isTyping(event: KeyboardEvent): boolean {
  return event
    .composedPath()
    .some(
      (each) =>
        each instanceof HTMLElement && (/^(INPUT|TEXTAREA|SELECT)$/.test(each.tagName) || each.isContentEditable),
    )
}

/** A space on a button presses it. */
const isTaken = ({ key, target }: KeyboardEvent): boolean =>
  key === ' ' && target instanceof HTMLElement && /^(BUTTON|A|SUMMARY)$/.test(target.tagName)

export const KEY_WORDS: readonly (readonly [string, string])[] = [
  ['/', 'search'],
  ['g then o, l, i, s', 'Overview, Logs, Incidents, Status'],
  ['j k ↓ ↑', 'next and previous line'],
  ['Enter, x', 'open a line, with what is around it'],
  ['e E', 'next and previous error'],
  ['c', 'copy the line'],
  ['p', 'patterns'],
  ['l', 'live'],
  ['Space', 'pause and go on'],
  ['[ ]', 'earlier, later'],
  ['r, Ctrl+Enter', 'run again'],
  ['Esc', 'close'],
  ['?', 'this list'],
]
