/** Entries for tests of pipeline stages. */

import type { Metadata } from '../../src/domain/entries/batch.ts'
import type { Label } from '../../src/domain/labels.ts'
import { LabelSet } from '../../src/logql/pipeline/label-set.ts'

export interface TestEntry {
  ns: bigint
  line: string
  labels: LabelSet
}

export interface EntryOptions {
  readonly stream?: Record<string, string>
  readonly metadata?: Metadata
  readonly ns?: bigint
  readonly labels?: LabelSet
}

export function makeEntry(line: string, options: EntryOptions = {}): TestEntry {
  const labels = options.labels ?? new LabelSet()
  const stream: Label[] = Object.entries(options.stream ?? {})
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  labels.reset(stream, options.metadata ?? [])
  return { ns: options.ns ?? 0n, line, labels }
}

/** The parsed labels as an object without a prototype, and without the error's details. */
export function parsedOf(entry: TestEntry): Record<string, string> {
  const parsed: Record<string, string> = Object.create(null)
  for (const [name, value] of entry.labels.parts().parsed) if (name !== '__error_details__') parsed[name] = value
  return parsed
}
