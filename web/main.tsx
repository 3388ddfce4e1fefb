/** The page: its head, and the screen of the place. */

import { render } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import './tokens.css'
import './page.css'
import './logs.css'
import { listIncidents } from './api/incidents.ts'
import { askJson, isReached, WANT, wantsAccess } from './api/request.ts'
import { change, go, hrefOf, place, startRouter } from './router.ts'
import { Incidents } from './screens/incidents.tsx'
import { Logs } from './screens/logs.tsx'
import { Overview } from './screens/overview.tsx'
import { Sources } from './screens/sources.tsx'
import { StatusScreen } from './screens/status.tsx'
import { Welcome } from './screens/welcome.tsx'
import { hasIncidents, isUtc, THEMES, theme } from './settings.ts'
import { Access, KeyList } from './ui/dialog.tsx'
import { Icon } from './ui/icon.tsx'
import { useKeys } from './ui/keys.ts'
import { Toast } from './ui/parts.tsx'
import { RangeMenu } from './ui/range-menu.tsx'
import { useAsk } from './ui/use-ask.ts'
import { useEvery } from './ui/use-every.ts'
import { zoneText } from './words.ts'

const SCREENS = [
  ['', 'Overview'],
  ['logs', 'Logs'],
  ...(hasIncidents ? ([['incidents', 'Incidents']] as const) : []),
  ['sources', 'Sources'],
  ['status', 'Status'],
] as const
const WITH_RANGE = ['', 'logs']
const DAYS_30_MS = 30 * 86_400_000
const OPEN_AGAIN_MS = 30_000

function Page() {
  const screen = place.value.path.split('/')[0] ?? ''
  const [dialog, setDialog] = useState<'access' | 'keys'>()
  const names = useAsk(askNames, [])
  const isEmpty = names.value !== undefined && names.value.length === 0
  const isFirst = useRef(true)
  const waits = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const hop = useRef(false)
  useEffect(() => {
    if (!isFirst.current) document.getElementById('main')?.focus({ preventScroll: true })
    isFirst.current = false
  }, [screen])
  const jump = (path: string): void => {
    if (hop.current) go(hrefOf(path))
    hop.current = false
  }
  useKeys({
    '/': () => focusSearch(),
    '?': () => setDialog('keys'),
    g: () => {
      hop.current = true
      clearTimeout(waits.current)
      waits.current = setTimeout(() => {
        hop.current = false
      }, 1000)
    },
    o: () => jump(''),
    i: () => jump('incidents'),
    s: () => jump('status'),
    t: () => document.querySelector<HTMLElement>('.join .btn')?.click(),
    // Without a g before it, l is the key of live lines, which the Logs screen hears.
    ...(screen === 'logs' ? {} : { l: () => jump('logs') }),
  })
  const access = dialog === 'access' || wantsAccess.value
  const hasRange = WITH_RANGE.includes(screen)
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById('main')?.focus()
        }}
      >
        To the content
      </a>
      <header class="top">
        <a class="brand" href={hrefOf('')} aria-label="Millrace, overview">
          <Icon name="wheel" />
          <span>Millrace</span>
        </a>
        <nav class="nav" aria-label="Screens">
          {SCREENS.map(([path, words]) => (
            <a
              key={path}
              href={hrefOf(path, hasRange && WITH_RANGE.includes(path) ? periodOf() : {})}
              aria-current={screen === path ? 'page' : undefined}
            >
              {words}
              {path === 'incidents' && <OpenCount />}
            </a>
          ))}
        </nav>
        <div class="end">
          {hasRange && <RangeMenu />}
          <button
            type="button"
            class="btn bare wide"
            title="Switch between local time and UTC"
            aria-label={`Times are shown in ${zoneText()}. Switch`}
            onClick={() => {
              isUtc.value = !isUtc.value
            }}
          >
            {zoneText()}
          </button>
          <button
            type="button"
            class="btn icon bare wide"
            aria-label={`Theme: ${theme.value}`}
            title={`Theme: ${theme.value}`}
            onClick={() => {
              theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system'
            }}
          >
            <Icon name="theme" />
          </button>
          <button
            type="button"
            class="btn icon bare wide"
            aria-label="Keys"
            title="Keys ( ? )"
            onClick={() => setDialog('keys')}
          >
            ?
          </button>
          <button
            type="button"
            class="btn icon bare"
            aria-label="Access"
            title="Access"
            onClick={() => setDialog('access')}
          >
            <Icon name="user" />
          </button>
        </div>
      </header>
      {!isReached.value && <Unreached again={names.again} />}
      {isEmpty && (screen === '' || screen === 'logs') ? <Welcome again={names.again} /> : <Screen name={screen} />}
      {access && (
        <Access
          onClose={() => {
            setDialog(undefined)
            wantsAccess.value = false
          }}
        />
      )}
      {dialog === 'keys' && <KeyList onClose={() => setDialog(undefined)} />}
      <Toast />
    </>
  )
}

function Screen({ name }: { name: string }) {
  if (name === 'logs') return <Logs />
  if (name === 'incidents' && hasIncidents) return <Incidents />
  if (name === 'sources') return <Sources />
  if (name === 'status') return <StatusScreen />
  return <Overview />
}

const askNames = async (signal: AbortSignal): Promise<readonly string[]> =>
  (
    await askJson<{ data?: readonly string[] }>(
      'loki/api/v1/labels',
      { start: `${Date.now() - DAYS_30_MS}000000` },
      { signal },
    )
  ).data ?? []

/** The range of this place, which goes along to the next screen. */
function periodOf(): { from: string | undefined; to: string | undefined } {
  const { params } = place.value
  return { from: params.get('from') ?? undefined, to: params.get('to') ?? undefined }
}

function focusSearch(): void {
  const field = document.getElementById('search')
  if (field !== null) field.focus()
  else document.querySelector<HTMLElement>('.editor')?.focus()
}

function OpenCount() {
  const asked = useAsk(
    (signal) => listIncidents({ state: 'open', limit: 100 }, { signal, want: WANT.patterns }),
    [place.value.path],
  )
  useEvery(OPEN_AGAIN_MS, asked.again)
  const count = asked.value?.items.length ?? 0
  if (count === 0) return null
  return (
    <span class="pill">
      {count}
      {asked.value?.hasMore && '+'}
      <span class="hidden"> open</span>
    </span>
  )
}

const AGAIN_S = 4

function Unreached({ again }: { again: () => void }) {
  const [seconds, setSeconds] = useState(AGAIN_S)
  useEffect(() => {
    const timer = setInterval(() => setSeconds((before) => (before <= 0 ? AGAIN_S : before - 1)), 1000)
    return () => clearInterval(timer)
  }, [])
  useEffect(() => {
    if (seconds === 0) again()
  }, [seconds])
  return (
    <p class="unreached" role="alert">
      The gateway cannot be reached. Trying again in {seconds} s.
    </p>
  )
}

startRouter()
// An address of the page before this one is shown as today's.
if (location.hash !== '' && !location.hash.startsWith('#/')) change({}, 'replace')
const root = document.getElementById('page')
if (root !== null) render(<Page />, root)
