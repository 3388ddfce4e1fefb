/** What the browser keeps: zone, theme, keys, columns, history, saved queries. And what the gateway says it has. */

import { effect, signal } from '@preact/signals'

const facts = document.documentElement.dataset
export const hasTails = facts['tails'] === 'yes'
export const hasIncidents = facts['incidents'] === 'yes'
export const version = facts['version'] ?? ''

/** A signal that outlives the tab, where the browser lets it. */
function kept<T>(name: string, fallback: T, isGood: (value: unknown) => boolean) {
  const made = signal<T>(read(name, fallback, isGood))
  effect(() => {
    try {
      localStorage.setItem(`millrace.${name}`, JSON.stringify(made.value))
    } catch {
      // A browser that keeps nothing.
    }
  })
  return made
}

function read<T>(name: string, fallback: T, isGood: (value: unknown) => boolean): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(`millrace.${name}`) ?? 'null')
    return isGood(value) ? (value as T) : fallback
  } catch {
    return fallback
  }
}

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string')

export type Theme = 'system' | 'light' | 'dark'
export const THEMES: readonly Theme[] = ['system', 'light', 'dark']
export const theme = kept<Theme>('theme', 'system', (value) => THEMES.includes(value as Theme))
export const isUtc = kept('utc', false, (value) => typeof value === 'boolean')
export const hasKeys = kept('keys', true, (value) => typeof value === 'boolean')
export const history = kept<readonly string[]>('history', [], isTexts)
export const saved = kept<readonly string[]>('saved', [], isTexts)
export const tenant = kept('tenant', '', (value) => typeof value === 'string')

const HISTORY_MAX = 50
const SAVED_MAX = 100

export function remember(query: string): void {
  history.value = [query, ...history.value.filter((each) => each !== query)].slice(0, HISTORY_MAX)
}

export function toggleSaved(query: string): void {
  saved.value = saved.value.includes(query)
    ? saved.value.filter((each) => each !== query)
    : [query, ...saved.value].slice(0, SAVED_MAX)
}

effect(() => {
  document.documentElement.dataset['theme'] = theme.value
})
