/** A run of the poller as one line of CloudWatch's embedded metric format: how far behind it is, and what it did. */

import type { PollSummary } from '../flows/poll-sources.ts'

export interface PollMetricsParts {
  readonly namespace: string
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

/**
 * One line, its newline included. No dimensions: each of their values is a metric that is paid for, so the lag is that of
 * the project that is furthest behind. A figure that is not known yet is left out.
 */
export function formatPollMetrics(summary: PollSummary, { namespace, nowMs }: PollMetricsParts): string {
  const { stored, rejected, failed, lagSeconds, hoursUntilLoss } = summary
  const figures = [
    ['SourceLagSeconds', 'Seconds', lagSeconds],
    ['SourceHoursUntilLoss', 'None', hoursUntilLoss],
    ['PolledEntries', 'Count', stored],
    ['PolledEntriesRejected', 'Count', rejected],
    ['PollFailures', 'Count', failed],
  ] as const
  const known = figures.filter(([, , value]) => value !== undefined)
  const metrics = known.map(([Name, Unit]) => ({ Name, Unit }))
  const directive = { Namespace: namespace, Dimensions: [[]], Metrics: metrics }
  const values = Object.fromEntries(known.map(([name, , value]) => [name, value]))
  return `${JSON.stringify({ _aws: { Timestamp: nowMs, CloudWatchMetrics: [directive] }, service: 'poller', ...values })}\n`
}
