/** Small parts of many screens: menus, levels, empty panels, toasts. */

import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { copy } from '../lines/copy.ts'
import { type Level, SHORT, SHOWN } from '../query/levels.ts'
import { Icon, type IconName } from './icon.tsx'

export function LevelWord({ level }: { level: Level }) {
  return (
    <span class={`lv ${level}`} title={SHOWN[level]}>
      {SHORT[level]}
    </span>
  )
}

/** A button that opens a panel below it; closes by Escape and by a press elsewhere. */
export function Menu(props: {
  label: ComponentChildren
  name: string
  class?: string
  icon?: IconName
  children: (close: () => void) => ComponentChildren
}) {
  const [isOpen, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (!isOpen) return
    const leave = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false)
    }
    document.addEventListener('pointerdown', leave)
    root.current?.querySelector<HTMLElement>('.pop button, .pop a, .pop input')?.focus()
    return () => document.removeEventListener('pointerdown', leave)
  }, [isOpen])
  const close = (): void => {
    setOpen(false)
    button.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!isOpen) return
    if (event.key === 'Escape') {
      event.stopPropagation()
      close()
    }
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    const items = [...(root.current?.querySelectorAll<HTMLElement>('.pop button, .pop a') ?? [])]
    const at = items.indexOf(document.activeElement as HTMLElement)
    if (step === 0 || at < 0) return
    event.preventDefault()
    items[(at + step + items.length) % items.length]?.focus()
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only hears the keys of the buttons in it
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <button
        ref={button}
        type="button"
        class={`btn ${props.class ?? ''}`}
        aria-expanded={isOpen}
        aria-label={props.name}
        title={props.name}
        onClick={() => setOpen(!isOpen)}
      >
        {props.icon && <Icon name={props.icon} />}
        {props.label}
      </button>
      {isOpen && <div class="pop">{props.children(close)}</div>}
    </div>
  )
}

/** What can be done about what a toast says. */
interface ToastAct {
  readonly words: string
  readonly act: () => void
}

const toast = signal<{ readonly words: string; readonly act?: ToastAct | undefined } | undefined>(undefined)
let toastTimer: ReturnType<typeof setTimeout> | undefined
export const TOAST_MS = 5000

/** Says what happened, for five seconds. */
export function say(words: string, act?: ToastAct): void {
  clearTimeout(toastTimer)
  toast.value = { words, act }
  toastTimer = setTimeout(() => {
    toast.value = undefined
  }, TOAST_MS)
}

export function Toast() {
  const shown = toast.value
  return (
    <div class="toast-place" role="status">
      {shown && (
        <div class="toast">
          {shown.words}
          {shown.act && (
            <button
              type="button"
              class="btn small"
              onClick={() => {
                shown.act?.act()
                toast.value = undefined
              }}
            >
              {shown.act.words}
            </button>
          )}
        </div>
      )}
    </div>
  )
}

/** In the place of what is asked for the first time. */
export function Skeleton() {
  return (
    <div class="skeleton" aria-hidden="true">
      {Array.from({ length: 12 }, (_, i) => (
        <i key={i} />
      ))}
    </div>
  )
}

/** What went wrong in a panel, and the way to try it again. */
export function Fault({ words, again, children }: { words: string; again?: () => void; children?: ComponentChildren }) {
  return (
    <div class="fault" role="alert">
      <p>{words}</p>
      {again && (
        <button type="button" class="btn small" onClick={again}>
          Try again
        </button>
      )}
      {children}
    </div>
  )
}

export function CopyButton({ text, words = 'Copy' }: { text: string; words?: string }) {
  const [isDone, setDone] = useState(false)
  return (
    <button
      type="button"
      class="btn small"
      onClick={async () => {
        setDone(await copy(text))
      }}
    >
      <Icon name={isDone ? 'check' : 'copy'} />
      {isDone ? 'Copied' : words}
    </button>
  )
}
