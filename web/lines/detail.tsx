/** An opened line: its fields, each with filters and a column; the whole line; what can be copied; what is around it. */

import { useState } from 'preact/hooks'
import type { Source } from '../query/chips.ts'
import { hrefOf, place } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Menu, say } from '../ui/parts.tsx'
import { fullTime } from '../words.ts'
import type { LineActs } from './acts.ts'
import { stripAnsi } from './ansi.ts'
import { Context } from './context.tsx'
import { copy, curlOf, jsonOf, logcliOf } from './copy.ts'
import { type Entry, nameOf } from './entry.ts'
import { pretty, readLine } from './message.ts'
import { Text } from './row.tsx'

type View = 'Fields' | 'JSON' | 'Line'

export function Detail({ entry, acts }: { entry: Entry; acts: LineActs }) {
  const reading = readLine(entry.line)
  const indented = pretty(entry.line)
  const [view, setView] = useState<View>('Fields')
  const views: readonly View[] = indented === undefined ? ['Fields', 'Line'] : ['Fields', 'JSON', 'Line']
  const rows = (pairs: Readonly<Record<string, string>>, source: Source) =>
    Object.entries(pairs).map(([name, value]) => (
      <FieldRow key={name} name={name} value={String(value)} source={source} acts={acts} />
    ))
  return (
    <div class={`det ${entry.level}`}>
      <section aria-label="Fields">
        <header class="dh">
          <fieldset class="seg">
            <legend class="hidden">Shown as</legend>
            {views.map((each) => (
              <button key={each} type="button" class="btn" aria-pressed={view === each} onClick={() => setView(each)}>
                {each}
              </button>
            ))}
          </fieldset>
          <div class="end">
            <CopyMenu entry={entry} acts={acts} />
          </div>
        </header>
        {view === 'Fields' && (
          <table class="ft">
            <tbody>
              <tr>
                <th scope="row" class="k">
                  time
                </th>
                <td class="v">{fullTime(entry.ns)}</td>
                <td />
              </tr>
              {reading.fields.length > 0 && (
                <Section words={`In the line, ${reading.form === 'json' ? 'JSON' : 'logfmt'}`} />
              )}
              {reading.fields.map(({ name, value, path }) => (
                <FieldRow
                  key={name}
                  name={name}
                  value={value}
                  source={reading.form === 'json' ? { kind: 'json', path } : { kind: 'logfmt', key: name }}
                  acts={acts}
                />
              ))}
              <Section words="Labels" />
              {rows(entry.stream, { kind: 'label' })}
              {Object.keys(entry.metadata).length > 0 && <Section words="Structured metadata" />}
              {rows(entry.metadata, { kind: 'metadata' })}
              {Object.keys(entry.parsed).length > 0 && <Section words="Parsed by the query" />}
              {rows(entry.parsed, { kind: 'metadata' })}
            </tbody>
          </table>
        )}
        {(view !== 'Fields' || reading.form === 'text') && (
          <pre class="whole">
            <Text text={view === 'JSON' ? (indented ?? entry.line) : entry.line} />
          </pre>
        )}
      </section>
      <Context entry={entry} />
    </div>
  )
}

function Section({ words }: { words: string }) {
  return (
    <tr class="sec">
      <td colSpan={3}>{words}</td>
    </tr>
  )
}

function FieldRow({ name, value, source, acts }: { name: string; value: string; source: Source; acts: LineActs }) {
  const isColumn = acts.columns.includes(name)
  return (
    <tr>
      <th scope="row" class="k">
        {name}
      </th>
      <td class="v" title={value}>
        {stripAnsi(value)}
      </td>
      <td class="acts">
        <button
          type="button"
          aria-label={`Only ${name} ${value}`}
          title="Only lines with it"
          onClick={() => acts.filter(name, '=', value, source)}
        >
          <Icon name="plus" />
        </button>
        <button
          type="button"
          aria-label={`Not ${name} ${value}`}
          title="Only lines without it"
          onClick={() => acts.filter(name, '!=', value, source)}
        >
          <Icon name="minus" />
        </button>
        {acts.hasColumns && (
          <button
            type="button"
            aria-label={`${name} as a column`}
            title="As a column"
            aria-pressed={isColumn}
            onClick={() => acts.toggleColumn(name)}
          >
            <Icon name="column" />
          </button>
        )}
      </td>
    </tr>
  )
}

function CopyMenu({ entry, acts }: { entry: Entry; acts: LineActs }) {
  const linkOf = (): string => {
    const { path, params } = place.value
    // The range is made absolute, so that the link shows the same tomorrow.
    const from = new Date(acts.range.start).toISOString()
    const to = new Date(acts.range.end).toISOString()
    return (
      location.origin +
      location.pathname +
      hrefOf(path, { ...Object.fromEntries(params), q: acts.query, from, to, live: undefined, row: nameOf(entry) })
    )
  }
  const ways = [
    ['The line', () => entry.line],
    ['As JSON', () => jsonOf(entry)],
    ['A link to it', linkOf],
    ['As curl', () => curlOf(acts.query, acts.range)],
    ['As logcli', () => logcliOf(acts.query, acts.range)],
  ] as const
  return (
    <Menu label="Copy" name="Copy this line" icon="copy" class="small bare">
      {(close) =>
        ways.map(([words, make]) => (
          <button
            key={words}
            type="button"
            onClick={async () => {
              say((await copy(make())) ? 'Copied.' : 'The browser does not let this page copy.')
              close()
            }}
          >
            {words}
          </button>
        ))
      }
    </Menu>
  )
}
