/** One line: level, time, source, chosen columns, message and fields. Data is text only. */

import { useMemo } from 'preact/hooks'
import { LevelWord } from '../ui/parts.tsx'
import { timeText } from '../words.ts'
import { isPlain, partsOf } from './ansi.ts'
import { type Entry, serviceOf } from './entry.ts'
import { extrasOf, readLine } from './message.ts'
import { fold } from './stack.ts'

/** More characters of a line are shown where it is opened. */
const ROW_CHARS_MAX = 2000
const EXTRAS_CHARS_MAX = 600

export interface RowLook {
  readonly columns: readonly string[]
  readonly isRaw: boolean
  readonly isWrapped: boolean
  /** Words that the query looks for. */
  readonly needles: readonly string[]
  /** Changes when the zone does. */
  readonly zone: boolean
}

/** Made again only when the line or its look changes. */
export function LineCells({ entry, look }: { entry: Entry; look: RowLook }) {
  return useMemo(() => <Cells entry={entry} look={look} />, [entry, look])
}

function Cells({ entry, look }: { entry: Entry; look: RowLook }) {
  const reading =
    look.isRaw && look.columns.length === 0
      ? ({ form: 'text', message: entry.line, fields: [] } as const)
      : readLine(entry.line)
  const { head, more, isStack } = fold(look.isRaw ? entry.line : reading.message)
  const text = (look.isWrapped ? (look.isRaw ? entry.line : reading.message) : head).slice(0, ROW_CHARS_MAX)
  const extras = look.isRaw
    ? ''
    : extrasOf(reading)
        .filter(({ name }) => !look.columns.includes(name))
        .map(({ name, value }) => `${name}=${value}`)
        .join(' ')
  return (
    <>
      <i class="bar" />
      <time role="gridcell">{timeText(entry.ms)}</time>
      <span role="gridcell">
        <LevelWord level={entry.level} />
      </span>
      <span role="gridcell" class="svc">
        {serviceOf(entry)}
      </span>
      {look.columns.map((name) => (
        <span key={name} role="gridcell" class="c">
          {columnOf(entry, reading.fields, name) ?? '–'}
        </span>
      ))}
      <span role="gridcell" class="m">
        <Text text={text} needles={look.needles} />
        {more > 0 && !look.isWrapped && (
          <b class="fold">{`${more} more line${more === 1 ? '' : 's'}${isStack ? ' of a stack' : ''}`}</b>
        )}
        {extras !== '' && (
          <span class="x">
            {' '}
            <Text text={extras.slice(0, EXTRAS_CHARS_MAX)} needles={look.needles} />
          </span>
        )}
      </span>
    </>
  )
}

function columnOf(entry: Entry, fields: readonly { name: string; value: string }[], name: string): string | undefined {
  const own = entry.stream[name] ?? entry.metadata[name]
  return own ?? fields.find((field) => field.name === name)?.value ?? entry.parsed[name]
}

/** Text with the colours of terminals, and with what was searched for marked. */
export function Text({ text, needles }: { text: string; needles: readonly string[] }) {
  if (isPlain(text)) return <Marked text={text} needles={needles} />
  return (
    <>
      {partsOf(text).map(({ text: part, style }, i) => (
        <span key={i} class={style}>
          <Marked text={part} needles={needles} />
        </span>
      ))}
    </>
  )
}

function Marked({ text, needles }: { text: string; needles: readonly string[] }) {
  const found = needles.find((needle) => needle !== '' && text.includes(needle))
  if (found === undefined) return <>{text}</>
  const parts = text.split(found)
  return (
    <>
      {parts.map((part, i) => (
        <span key={i}>
          {i > 0 && <mark>{found}</mark>}
          {part}
        </span>
      ))}
    </>
  )
}
