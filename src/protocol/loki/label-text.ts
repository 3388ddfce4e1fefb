/** A stream's label text to the sink; texts seen before are not parsed again. */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import { type Labels, parseLabels } from '../../domain/labels.ts'

/** Texts of one generation; with the length below, some 16 MB at the very most. */
const TEXTS_MAX = 2048
const TEXT_CHARS_MAX = 2048

/** Two generations: a text found in the older one moves to the newer, which becomes the older when it is full. */
let newer = new Map<string, Labels>()
let older = new Map<string, Labels>()

/** Begins the stream that `text` names; a text that cannot be read becomes an unreadable stream with the reason. */
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
  sink.beginStream(labels)
}

/** The labels, or the reason why there are none. */
function readLabels(text: string): Labels | string {
  try {
    return parseLabels(text)
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
