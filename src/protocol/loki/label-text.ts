/** Passes a stream's labels to the sink, from text or JSON, with a cache of parsed texts. */

import { prometheusName } from '../../domain/entries/entry-metadata.ts'
import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import {
  compareText,
  isLabelName,
  type Label,
  type Labels,
  parseLabels,
  quoteGo,
  sortLabels,
} from '../../domain/labels.ts'

/** Size of a cache generation; with the maximum text length below, at most about 16 MB. */
const TEXTS_MAX = 2048
const TEXT_CHARS_MAX = 2048

/** Two generations: a hit in the older one moves to the newer, which becomes the older when it is full. */
let newer = new Map<string, Labels>()
let older = new Map<string, Labels>()

/** Starts the stream of `text`; a text that cannot be parsed becomes an unreadable stream with the reason. */
export function beginStreamOfText(text: string, sink: PushSink): void {
  let labels = newer.get(text)
  if (labels === undefined) {
    const parsed = older.get(text) ?? readLabels(text)
    if (typeof parsed === 'string') {
      sink.beginUnreadableStream(text, parsed)
      return
    }
    labels = parsed
    remember(text, labels)
  }
  sink.beginStream(labels, text.length <= TEXT_CHARS_MAX)
}

/**
 * The same for labels of a JSON object. Loki formats the object as a label text without quotes around names, and parses
 * that: an invalid label name makes the stream unreadable here too.
 */
export function beginStreamOfLabels(labels: readonly Label[], sink: PushSink): void {
  if (labels.every(({ name }) => isLabelName(name))) {
    sink.beginStream(labels)
    return
  }
  let text = '{'
  let error = ''
  for (const { name, value } of labels.toSorted((a, b) => compareText(a.name, b.name))) {
    if (text.length > 1) text += ', '
    if (error === '' && !isLabelName(name)) error = nameError(name, text.length)
    text += `${name}=${quoteGo(value)}`
  }
  sink.beginUnreadableStream(`${text}}`, error)
}

/**
 * Loki's error text for the first invalid character of a label name; `before` is the number of characters before the
 * name.
 */
function nameError(name: string, before: number): string {
  const good = /^(?:[a-zA-Z_][a-zA-Z0-9_]*)?/.exec(name)?.[0].length ?? 0
  const bad = String.fromCodePoint(name.codePointAt(good) ?? 0x3d)
  return `1:${before + good + 1}: parse error: unexpected character inside braces: '${bad}'; a label name is letters, digits and _, and begins with no digit`
}

/** The labels, or the reason why they are invalid. Quoted names that are not label names become Prometheus names. */
function readLabels(text: string): Labels | string {
  try {
    const labels = parseLabels(text)
    if (labels.every(({ name }) => isLabelName(name))) return labels
    return sortLabels(labels.map(({ name, value }) => ({ name: prometheusName(name), value })))
  } catch (error) {
    if (error instanceof GatewayError) return error.message
    throw error
  }
}

function remember(text: string, labels: Labels): void {
  if (text.length > TEXT_CHARS_MAX) return
  if (newer.size >= TEXTS_MAX) {
    older = newer
    newer = new Map()
  }
  newer.set(text, labels)
}
