/** A run of the poller as a line of CloudWatch's embedded metric format: how far behind it is, and what it did. */

import type { PollSummary } from '../flows/poll/poll-sources.ts'
import { type EmfFigure, type EmfPlace, formatEmfLine } from './emf-line.ts'

/** The lag is that of the project that is furthest behind. A figure that is not known yet is left out. */
export function formatPollMetrics(summary: PollSummary, place: Omit<EmfPlace, 'service'>): string {
  const { stored, rejected, failed, lagSeconds, hoursUntilLoss } = summary
  const figures: (Omit<EmfFigure, 'value'> & { value: number | undefined })[] = [
    { name: 'SourceLagSeconds', unit: 'Seconds', value: lagSeconds },
    { name: 'SourceHoursUntilLoss', unit: 'None', value: hoursUntilLoss },
    { name: 'PolledEntries', unit: 'Count', value: stored },
    { name: 'PolledEntriesRejected', unit: 'Count', value: rejected },
    { name: 'PollFailures', unit: 'Count', value: failed },
  ]
  const known = figures.filter((figure): figure is EmfFigure => figure.value !== undefined)
  return formatEmfLine(known, { ...place, service: 'poller' })
}
