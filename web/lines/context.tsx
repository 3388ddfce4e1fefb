/** The lines around one: of its own stream, its service, or all, 50 at a time in both directions. */

import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { askLines } from '../api/loki.ts'
import { wordsOf } from '../api/request.ts'
import { ALL, writeMatchers } from '../query/chips.ts'
import { hrefOf } from '../router.ts'
import { Fault, LevelWord } from '../ui/parts.tsx'
import { timeText } from '../words.ts'
import { compareNs, type Entry, keyOf } from './entry.ts'
import { readLine } from './message.ts'
import { Text } from './row.tsx'

const PAGE = 50
/** How far context is looked for, in nanoseconds: a day. */
const REACH_NS = 86_400_000_000_000n
const SHOWN_AROUND = 5
/** Labels that name one emitter, the narrowest first. */
const NARROW = ['pod', 'instance', 'container', 'host', 'hostname', 'node', 'filename']

interface Scope {
  readonly words: string
  readonly query: string
}

function scopesOf({ stream }: Entry): readonly Scope[] {
  const matchers = Object.entries(stream)
    .filter(([name]) => name !== 'detected_level' && name !== 'level')
    .map(([name, value]) => ({ name, op: '=', value }))
  const narrow = NARROW.find((name) => stream[name] !== undefined)
  const service = ['service_name', 'app', 'job'].find((name) => stream[name] !== undefined)
  return [
    { words: narrow === undefined ? 'This stream' : `This ${narrow}`, query: writeMatchers(matchers) },
    ...(service === undefined
      ? []
      : [{ words: 'Service', query: writeMatchers([{ name: service, op: '=', value: stream[service] ?? '' }]) }]),
    { words: 'Everything', query: writeMatchers([ALL]) },
  ]
}

export function Context({ entry }: { entry: Entry }) {
  const scopes = useMemo(() => scopesOf(entry), [entry])
  const [at, setAt] = useState(0)
  const scope = scopes[at] as Scope
  const [lines, setLines] = useState<readonly Entry[]>([])
  const [hasMore, setMore] = useState({ earlier: true, later: true })
  const [fault, setFault] = useState<string>()
  const [turn, setTurn] = useState(0)
  const place = useRef<HTMLDivElement>(null)
  const own = keyOf(entry)
  useEffect(() => {
    const abort = new AbortController()
    setFault(undefined)
    const { signal } = abort
    Promise.all([earlier(scope.query, entry.ns, signal), later(scope.query, entry.ns, signal)])
      .then(([before, after]) => {
        if (signal.aborted) return
        setMore({ earlier: before.length >= PAGE, later: after.length >= PAGE })
        // The line itself is there even where its level was a label that the scope leaves out.
        setLines(joined([...before, entry, ...after]))
      })
      .catch((error: unknown) => {
        if (!signal.aborted) setFault(wordsOf(error))
      })
    return () => abort.abort()
  }, [entry, scope, turn])
  useEffect(() => {
    const host = place.current
    const row = host?.querySelector<HTMLElement>('.own')
    if (host && row) host.scrollTop = row.offsetTop - host.clientHeight / 2
  }, [lines.length > 0, scope])
  const grow = async (direction: 'earlier' | 'later'): Promise<void> => {
    const edge = direction === 'earlier' ? lines[0] : lines.at(-1)
    if (edge === undefined) return
    try {
      const more = direction === 'earlier' ? await earlier(scope.query, edge.ns) : await later(scope.query, edge.ns)
      const next = joined([...more, ...lines])
      setMore({ ...hasMore, [direction]: more.length >= PAGE && next.length > lines.length })
      setLines(next)
    } catch (error) {
      setFault(wordsOf(error))
    }
  }
  const from = new Date(entry.ms - 300_000).toISOString()
  const to = new Date(entry.ms + 60_000).toISOString()
  return (
    <section aria-label="Around this line" class="around">
      <header class="dh">
        <h3>Around this line</h3>
        <fieldset class="seg">
          <legend class="hidden">Lines of</legend>
          {scopes.map(({ words }, i) => (
            <button key={words} type="button" class="btn" aria-pressed={i === at} onClick={() => setAt(i)}>
              {words}
            </button>
          ))}
        </fieldset>
        <a class="end" href={hrefOf('logs', { q: scope.query, from, to })}>
          Open in Logs
        </a>
      </header>
      {fault && <Fault words={fault} again={() => setTurn(turn + 1)} />}
      <div class="ctx" ref={place} aria-busy={lines.length === 0 && fault === undefined}>
        {hasMore.earlier && (
          <button type="button" class="edge" onClick={() => grow('earlier')}>
            {PAGE} earlier
          </button>
        )}
        <ol style={{ minHeight: `${SHOWN_AROUND * 24}px` }}>
          {lines.map((line) => (
            <li key={keyOf(line)} class={`r ${line.level} ${keyOf(line) === own ? 'own' : ''}`}>
              <i class="bar" />
              <time>{timeText(line.ms)}</time>
              <LevelWord level={line.level} />
              <span class="m">
                <Text text={readLine(line.line).message.slice(0, 500)} />
              </span>
            </li>
          ))}
        </ol>
        {hasMore.later && (
          <button type="button" class="edge" onClick={() => grow('later')}>
            {PAGE} later
          </button>
        )}
      </div>
    </section>
  )
}

/** Up to its nanosecond, itself included: twins in time are not lost. */
async function earlier(query: string, ns: string, signal?: AbortSignal): Promise<readonly Entry[]> {
  const at = BigInt(ns)
  const { entries } = await askLines(
    { query, start: String(at - REACH_NS), end: String(at + 1n), limit: PAGE, direction: 'backward' },
    { signal },
  )
  return entries
}

async function later(query: string, ns: string, signal?: AbortSignal): Promise<readonly Entry[]> {
  const end = String(BigInt(ns) + REACH_NS)
  return (await askLines({ query, start: ns, end, limit: PAGE, direction: 'forward' }, { signal })).entries
}

/** In order of time, none twice. */
function joined(entries: readonly Entry[]): readonly Entry[] {
  const byKey = new Map(entries.map((each) => [keyOf(each), each]))
  return [...byKey.values()].sort((a, b) => compareNs(a.ns, b.ns))
}
