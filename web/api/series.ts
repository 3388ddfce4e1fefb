/** Numbers over time, and what they are called. */

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  /** Seconds and the number as text. */
  readonly values: readonly (readonly [number, string])[]
}

/** The labels of a series, as LogQL writes them. */
export const seriesName = (metric: Series['metric']): string =>
  `{${Object.entries(metric)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(', ')}}`
