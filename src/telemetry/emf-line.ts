/**
 * A line in CloudWatch's embedded metric format: CloudWatch Logs extracts the metrics, without an API call. See
 * "Specification: Embedded metric format" in the Amazon CloudWatch user guide.
 */

export interface EmfFigure {
  readonly name: string
  readonly unit: 'Bytes' | 'Count' | 'None' | 'Seconds'
  readonly value: number
}

export interface EmfPlace {
  readonly namespace: string
  /** The process that reports: a property for searching. As a dimension it would be one more paid metric per figure. */
  readonly service: string
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

/** Formats at most 100 figures as one line without dimensions, including the newline. */
export function formatEmfLine(figures: readonly EmfFigure[], { namespace, service, nowMs }: EmfPlace): string {
  const directive = {
    Namespace: namespace,
    Dimensions: [[]],
    Metrics: figures.map(({ name, unit }) => ({ Name: name, Unit: unit })),
  }
  const line = {
    _aws: { Timestamp: nowMs, CloudWatchMetrics: [directive] },
    service,
    ...Object.fromEntries(figures.map(({ name, value }) => [name, value])),
  }
  return `${JSON.stringify(line)}\n`
}
