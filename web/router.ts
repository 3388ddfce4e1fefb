/** The place of the page: what is behind # in the address, which no server and no proxy sees. */

import { signal } from '@preact/signals'

export interface Place {
  /** `logs`, `incidents/<id>`, and so on; empty for the overview. */
  readonly path: string
  readonly params: URLSearchParams
}

export const place = signal<Place>(readPlace(location.hash))

export function startRouter(): void {
  const read = (): void => {
    place.value = readPlace(location.hash)
  }
  addEventListener('popstate', read)
  addEventListener('hashchange', read)
}

/** `#/logs?q=…`; also the addresses of the page before this one, `#query=…&range=3600`. */
export function readPlace(hash: string): Place {
  const text = hash.replace(/^#/, '')
  if (!text.startsWith('/')) return readOldPlace(new URLSearchParams(text))
  const [path = '', query = ''] = splitOnce(text.slice(1), '?')
  return { path, params: new URLSearchParams(query) }
}

function readOldPlace(old: URLSearchParams): Place {
  if (old.get('view') === 'incidents') return { path: 'incidents', params: new URLSearchParams() }
  const query = old.get('query')
  if (query === null) return { path: '', params: new URLSearchParams() }
  const params = new URLSearchParams({ q: query })
  const range = old.get('range')
  if (range === 'custom') {
    for (const name of ['from', 'to']) {
      const time = new Date(old.get(name) ?? '')
      if (!Number.isNaN(time.getTime())) params.set(name, time.toISOString())
    }
  } else if (/^\d+$/.test(range ?? '')) params.set('from', `now-${range}s`)
  if (old.get('direction') === 'forward') params.set('order', 'forward')
  return { path: 'logs', params }
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

export function hrefOf(path: string, params: Readonly<Record<string, string | undefined>> = {}): string {
  const kept = Object.entries(params).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '',
  )
  const query = new URLSearchParams(kept).toString()
  return `#/${path}${query === '' ? '' : `?${query}`}`
}

/** A new question is an entry of the history; a change of the view replaces it. */
export function go(href: string, how: 'push' | 'replace' = 'push'): void {
  if (href === location.hash) return
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', href)
  place.value = readPlace(href)
}

/** Changes some parameters of this place; undefined removes one. */
export function change(patch: Readonly<Record<string, string | undefined>>, how: 'push' | 'replace' = 'replace'): void {
  const { path, params } = place.value
  go(hrefOf(path, { ...Object.fromEntries(params), ...patch }), how)
}
