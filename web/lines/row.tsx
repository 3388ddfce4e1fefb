/** One line: level, time, source, chosen columns, message and fields. Data is text only. */

import { useMemo } from 'preact/hooks'
import { LevelWord } from '../ui/parts.tsx'
import { timeText } from '../words.ts'
import { isPlain, partsOf, stripAnsi, visible } from './ansi.ts'
import { columnOf, type Entry, serviceOf } from './entry.ts'
import { extrasOf, readLine } from './message.ts'
import { fold } from './stack.ts'

/** More characters of a line are shown where it is opened. */
const ROW_CHARS_MAX = 2000
const EXTRAS_CHARS_MAX = 600

export interface RowLook {
  readonly columns: readonly string[]
  readonly isRaw: boolean
  readonly isWrapped: boolean
  /** What the query looks for. */
  readonly needles: RegExp | undefined
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
        <Column key={name} value={columnOf(entry, reading.fields, name)} />
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

/** Numbers stand at the right, so that their digits are below each other. */
function Column({ value = '–' }: { value: string | undefined }) {
  return (
    <span role="gridcell" class={/^-?\d[\d.,]*\s?[a-zµ%]{0,3}$/i.test(value) ? 'c num' : 'c'} title={value}>
      {visible(stripAnsi(value))}
    </span>
  )
}

/** Text with the colours of terminals, and with what was searched for marked. */
export function Text({ text, needles }: { text: string; needles?: RegExp | undefined }) {
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

function Marked({ text, needles }: { text: string; needles: RegExp | undefined }) {
  if (needles === undefined) return <>{text}</>
  // The expression has one group, so every second part is what was found.
  return <>{text.split(needles).map((part, i) => (i % 2 === 1 ? <mark key={i}>{part}</mark> : part))}</>
}
