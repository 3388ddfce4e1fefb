/** Dialogs: access, and the keys. */

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { isReached, wantsAccess } from '../api/request.ts'
import { runs } from '../logs/state.ts'
import { hasKeys, tenant, version } from '../settings.ts'
import { KEY_WORDS } from './keys.ts'

export function Dialog({
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
    return () => before?.focus?.()
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <header>
        <h2 id="dialog-title">{title}</h2>
        <button type="button" class="btn small" onClick={onClose}>
          Close
        </button>
      </header>
      {children}
    </dialog>
  )
}

/** The tenant, and a token where only tokens are taken; the token is forgotten with the tab. */
export function Access({ onClose }: { onClose: () => void }) {
  const form = useRef<HTMLFormElement>(null)
  return (
    <Dialog title="Access" onClose={onClose}>
      {wantsAccess.value && <p class="bad">The gateway wants credentials.</p>}
      <form
        ref={form}
        class="fields"
        onSubmit={(event) => {
          event.preventDefault()
          const data = new FormData(form.current ?? undefined)
          tenant.value = String(data.get('tenant') ?? '').trim()
          sessionStorage.setItem('token', String(data.get('token') ?? '').trim())
          wantsAccess.value = false
          runs.value++
          onClose()
          location.reload()
        }}
      >
        <label>
          Tenant
          <input name="tenant" defaultValue={tenant.value} autocomplete="off" spellcheck={false} />
        </label>
        <label>
          Token
          <input name="token" type="password" defaultValue={sessionStorage.getItem('token') ?? ''} autocomplete="off" />
        </label>
        <button type="submit" class="btn main">
          Use
        </button>
      </form>
      <p class="faint">
        Millrace {version}. The token is forgotten when the tab is closed.
        {!isReached.value && ' The gateway cannot be reached.'}
      </p>
    </Dialog>
  )
}

export function KeyList({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {KEY_WORDS.map(([key, words]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <label class="line">
        <input
          type="checkbox"
          checked={hasKeys.value}
          onChange={(event) => {
            hasKeys.value = event.currentTarget.checked
          }}
        />
        Single keys are on
      </label>
    </Dialog>
  )
}
