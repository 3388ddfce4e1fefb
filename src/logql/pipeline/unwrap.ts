/** `| unwrap duration(took)`: the value of an entry in a metric query. */

import type { Unwrap } from '../parse/syntax.ts'
import type { PipelineEntry } from '../stage.ts'
import { parseBytes, parseGoDuration, parseGoFloat } from './convert.ts'
import { bytesFault, durationFault, floatFault } from './convert-fault.ts'
import { compileLabelFilter, labelsOfFilter } from './label-filter.ts'
import { labelSetOf } from './label-set.ts'

/** The entry's value; undefined drops the entry. */
export type SampleExtractor = (entry: PipelineEntry) => number | undefined

/**
 * An entry whose label is missing or empty is dropped. A value that cannot be converted counts as 0 with `__error__`
 * set; the filters after the unwrap may still drop the entry, otherwise the metric query fails. The label is kept,
 * because an aggregation may group by it.
 */
export function compileUnwrap(unwrap: Unwrap): SampleExtractor {
  const { label, conversion } = unwrap
  const { convert, faultOf } = CONVERSIONS[conversion]
  const filters = unwrap.filters.map(compileLabelFilter)
  return (entry) => {
    const labels = labelSetOf(entry)
    const text = labels.getPlain(label)
    if (text === undefined || text === '') return undefined
    const value = convert(text)
    if (value === undefined) labels.setError('SampleExtractionErr', faultOf(text))
    for (const filter of filters) if (!filter(labels)) return undefined
    return value ?? 0
  }
}

/** The label names that an unwrap reads, which the caller must add to the wanted labels of its stages. */
export function labelsOfUnwrap({ label, filters }: Unwrap): readonly string[] {
  return [label, ...filters.flatMap(labelsOfFilter)]
}

interface Conversion {
  readonly convert: (text: string) => number | undefined
  /** The reason why a text cannot be converted. */
  readonly faultOf: (text: string) => string
}

const SECONDS: Conversion = { convert: parseSeconds, faultOf: durationFault }
const CONVERSIONS: Readonly<Record<Unwrap['conversion'], Conversion>> = {
  none: { convert: parseGoFloat, faultOf: floatFault },
  duration: SECONDS,
  duration_seconds: SECONDS,
  bytes: { convert: parseBytes, faultOf: bytesFault },
}

function parseSeconds(text: string): number | undefined {
  const ns = parseGoDuration(text)
  return ns === undefined ? undefined : ns / 1e9
}
