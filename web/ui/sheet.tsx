/** A panel that comes from the bottom of a phone and covers most of it; closed by its button, by Escape and by a press above it. */

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Icon } from './icon.tsx'

export function Sheet({
  title,
  onClose,
  children,
}: {
  title: string
  onClose: () => void
  children: ComponentChildren
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    dialog.current?.showModal()
    return () => before?.focus?.({ preventScroll: true })
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard has Escape
    <dialog
      ref={dialog}
      class="sheet"
      aria-label={title}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) onClose()
      }}
    >
      <header>
        <h2>{title}</h2>
        <button type="button" class="btn icon bare" aria-label={`Close ${title}`} onClick={onClose}>
          <Icon name="x" />
        </button>
      </header>
      <div class="sheet-body">{children}</div>
    </dialog>
  )
}
