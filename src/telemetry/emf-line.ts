/**
 * A line of CloudWatch's embedded metric format: CloudWatch Logs makes metrics of it, and no call is made. See
 * "Specification: Embedded metric format" in the Amazon CloudWatch user guide.
 */

export interface EmfFigure {
  readonly name: string
  readonly unit: 'Bytes' | 'Count' | 'None' | 'Seconds'
  readonly value: number
}

export interface EmfPlace {
  readonly namespace: string
  /** Who tells: a property of the line, for searching. A dimension would be one more paid metric for each figure. */
  readonly service: string
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

/** The figures, 100 at most, as one line without dimensions, its newline included. */
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
