/** A list of any length, of which only what is seen is in the document. Rows of other heights are measured. */

import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks'
import type { Entry } from './entry.ts'

const ids = new WeakMap<Entry, number>()
let nextId = 0

/** A key that stays with the entry when others come before it. */
function idOf(entry: Entry): number {
  const known = ids.get(entry)
  if (known !== undefined) return known
  ids.set(entry, ++nextId)
  return nextId
}

/** Rows beyond the visible ones, above and below. */
const BESIDE = 12

export interface ListHandle {
  readonly toTop: () => void
  readonly show: (index: number) => void
  /** Focuses the row, once it is there. */
  readonly focus: (index: number) => void
}

interface ListProps {
  readonly entries: readonly Entry[]
  readonly rowHeight: number
  /** Whether every row may have another height. */
  readonly isLoose: boolean
  readonly opened: ReadonlySet<Entry>
  readonly active: number
  readonly head: ComponentChildren
  readonly children: (entry: Entry, index: number) => ComponentChildren
  readonly foot?: ComponentChildren
  readonly onNearEnd?: () => void
  readonly onScrolled?: (isAtTop: boolean) => void
  readonly handle: { current: ListHandle | undefined }
}

export function LineList(props: ListProps) {
  const { entries, rowHeight, isLoose, opened, active, children, onNearEnd, onScrolled, handle } = props
  const pane = useRef<HTMLDivElement>(null)
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(800)
  const [changes, changed] = useReducer<number, void>((count) => count + 1, 0)
  const extras = useRef(new WeakMap<Entry, number>())
  const wanted = useRef<number | undefined>(undefined)

  const tall = useMemo(() => {
    if (!isLoose && opened.size === 0) return []
    const found: { index: number; before: number; extra: number }[] = []
    let before = 0
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index] as Entry
      const extra = isLoose || opened.has(entry) ? (extras.current.get(entry) ?? 0) : 0
      if (extra === 0) continue
      found.push({ index, before, extra })
      before += extra
    }
    return found
  }, [entries, opened, isLoose, changes])
  const offsetOf = (index: number): number => {
    let [low, high] = [0, tall.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((tall[middle]?.index ?? 0) < index) low = middle + 1
      else high = middle
    }
    const last = tall[low - 1]
    return index * rowHeight + (last === undefined ? 0 : last.before + last.extra)
  }
  const indexAt = (offset: number): number => {
    let [low, high] = [0, entries.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (offsetOf(middle + 1) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
  const whole = offsetOf(entries.length)
  const first = Math.max(0, indexAt(top) - BESIDE)
  const end = Math.min(entries.length, indexAt(top + height) + 1 + BESIDE)

  useLayoutEffect(() => {
    const host = pane.current
    if (host === null) return
    const watch = new ResizeObserver(() => setHeight(host.clientHeight))
    watch.observe(host)
    return () => watch.disconnect()
  }, [])
  useEffect(() => {
    if (end >= entries.length - 200 && entries.length > 0) onNearEnd?.()
  }, [end, entries.length])
  useLayoutEffect(() => {
    if (wanted.current === undefined) return
    const row = pane.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"] > [role=row]`)
    if (row === undefined || row === null) return
    wanted.current = undefined
    row.focus({ preventScroll: true })
  })
  const show = (index: number): void => {
    const host = pane.current
    if (host === null) return
    const at = offsetOf(index)
    const headHeight = 28
    if (at < host.scrollTop) host.scrollTop = at
    else if (at + rowHeight + headHeight > host.scrollTop + host.clientHeight)
      host.scrollTop = at + rowHeight + headHeight - host.clientHeight
  }
  handle.current = {
    toTop: () => pane.current?.scrollTo({ top: 0 }),
    show,
    focus: (index) => {
      wanted.current = index
      show(index)
      changed()
    },
  }
  const measure = (entry: Entry, host: HTMLElement): void => {
    const extra = host.offsetHeight - rowHeight
    if ((extras.current.get(entry) ?? 0) === extra) return
    extras.current.set(entry, extra)
    changed()
  }
  const row = (index: number) => {
    const entry = entries[index] as Entry
    const isTall = isLoose || opened.has(entry)
    return (
      <Placed
        key={idOf(entry)}
        index={index}
        top={offsetOf(index)}
        onSize={isTall ? (host) => measure(entry, host) : undefined}
      >
        {children(entry, index)}
      </Placed>
    )
  }
  const shown = Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i)
  // The row with the focus stays in the document, so that the keyboard goes on from it.
  if (active < first && active >= 0 && active < entries.length) shown.unshift(active)
  else if (active >= end && active < entries.length) shown.push(active)
  return (
    <div
      class="pane"
      ref={pane}
      onScroll={(event) => {
        const at = event.currentTarget.scrollTop
        setTop(at)
        onScrolled?.(at < rowHeight)
      }}
    >
      <div role="treegrid" aria-label="Lines" aria-rowcount={entries.length + 1} aria-readonly="true">
        <div role="rowgroup">{props.head}</div>
        <div role="rowgroup" class="rows" style={{ height: `${whole}px` }}>
          {shown.map(row)}
        </div>
      </div>
      {props.foot}
    </div>
  )
}

interface PlacedProps {
  readonly index: number
  readonly top: number
  readonly onSize: ((host: HTMLElement) => void) | undefined
  readonly children: ComponentChildren
}

function Placed({ index, top, onSize, children }: PlacedProps) {
  const host = useRef<HTMLDivElement>(null)
  const latest = useRef(onSize)
  latest.current = onSize
  const isMeasured = onSize !== undefined
  useLayoutEffect(() => {
    const element = host.current
    if (element === null || !isMeasured) return
    latest.current?.(element)
    const watch = new ResizeObserver(() => latest.current?.(element))
    watch.observe(element)
    return () => watch.disconnect()
  }, [isMeasured])
  return (
    <div class="placed" ref={host} data-index={index} style={{ transform: `translateY(${top}px)` }} role="presentation">
      {children}
    </div>
  )
}
