/** Metrics of a poller run in CloudWatch's embedded metric format: its lag, and what it stored. */

import type { PollSummary } from '../flows/poll/poll-sources.ts'
import { type EmfFigure, type EmfPlace, formatEmfLine } from './emf-line.ts'

/** The lag is that of the project that is furthest behind. Unknown figures are omitted. */
export function formatPollMetrics(summary: PollSummary, place: Omit<EmfPlace, 'service'>): string {
  const { stored, rejected, failed, lagSeconds, hoursUntilLoss } = summary
  const figures: (Omit<EmfFigure, 'value'> & { value: number | undefined })[] = [
    { name: 'SourceLagSeconds', unit: 'Seconds', value: lagSeconds },
    { name: 'SourceHoursUntilLoss', unit: 'None', value: hoursUntilLoss },
    { name: 'PolledEntries', unit: 'Count', value: stored },
    { name: 'PolledEntriesRejected', unit: 'Count', value: rejected },
    { name: 'PollFailures', unit: 'Count', value: failed },
  ]
  const defined = figures.filter((figure): figure is EmfFigure => figure.value !== undefined)
  return formatEmfLine(defined, { ...place, service: 'poller' })
}
