/** What a gigabyte of lines costs: figures of docs/cost.md, which a test compares. */

export const COSTS = {
  pricesOf: '2026-11-21',
  /** A machine of one's own a month. */
  box: 15,
  /** Dollars for a gigabyte. */
  large: 0.15,
  small: 0.346,
  cloudWatch: 0.5,
} as const

const HOURS_A_MONTH = 730

export function monthlyCosts(bytesAnHour: number): {
  gigabytes: number
  rows: readonly { words: string; dollars: number }[]
} {
  const gigabytes = (bytesAnHour * HOURS_A_MONTH) / 2 ** 30
  return {
    gigabytes,
    rows: [
      { words: 'Embedded, on a small machine of your own', dollars: COSTS.box },
      { words: 'The aws home, pushes of 1 MiB', dollars: gigabytes * COSTS.large },
      { words: 'The aws home, pushes of 10 KB', dollars: gigabytes * COSTS.small },
      { words: 'CloudWatch Logs', dollars: gigabytes * COSTS.cloudWatch },
    ],
  }
}
