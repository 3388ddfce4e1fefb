/** Validates a stream's labels: returns the first of Loki's rules that they break, with Loki's error text. */

import type { Refusal } from './entries/refusals.ts'
import { SERVICE_NAME } from './entries/service-name.ts'
import { duplicateName, type Labels, labelValue } from './labels.ts'
import type { PushLimits } from './limits.ts'

export interface LabelLimits {
  readonly tenant: string
  readonly limits: PushLimits
  readonly labelCountMax: number
}

export interface CheckedLabels {
  /** As received, sorted. */
  readonly received: Labels
  /** Including the labels that the gateway added. */
  readonly complete: Labels
  /** formatLabels(complete). */
  readonly key: string
}

/** Characters of a stream's labels in an error text: an agent logs at most 1024 bytes of it. */
const SHOWN_CHARS_MAX = 512

export function checkLabels(
  { received, key, complete }: CheckedLabels,
  { limits, labelCountMax, tenant }: LabelLimits,
): Refusal | undefined {
  const stream = shownLabels(key)
  if (complete.length === 0) {
    return { reason: 'missing_labels', text: 'error at least one label pair is required per stream' }
  }
  const counted = received.length - (labelValue(received, SERVICE_NAME) === '' ? 0 : 1)
  if (counted > labelCountMax) {
    const text = `entry for stream '${stream}' has ${counted} label names; limit ${labelCountMax}`
    return { reason: 'max_label_names_per_series', text }
  }
  const twice = duplicateName(received)
  for (const { name, value } of received) {
    if (byteLength(name) > limits.labelNameBytesMax) {
      return {
        reason: 'label_name_too_long',
        text: `stream '${stream}' has label name too long: '${shownLabels(name)}'`,
      }
    }
    if (byteLength(value) > limits.labelValueBytesMax) {
      return {
        reason: 'label_value_too_long',
        text: `stream '${stream}' has label value too long: '${shownLabels(value)}'`,
      }
    }
    if (name === twice) {
      return {
        reason: 'duplicate_label_names',
        text: `stream '${stream}' has duplicate label name: '${shownLabels(name)}'`,
      }
    }
  }
  const absent = limits.labelsRequired.filter((name) => labelValue(complete, name) === '')
  if (absent.length === 0) return undefined
  const text = `missing required labels '${absent.join(',')}' for user '${tenant}' for stream '${stream}' (policy: '')`
  return { reason: 'missing_enforced_labels', text }
}

/** Labels, or a part of them, short enough for an error text. */
export function shownLabels(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`
}

const UTF8 = new TextEncoder()

/** Length of the text in UTF-8 bytes. */
function byteLength(text: string): number {
  return UTF8.encode(text).length
}
