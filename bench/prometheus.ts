/** Reads the gateway's /metrics. */

export class PrometheusText {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  static async fetch(url: string): Promise<PrometheusText> {
    return new PrometheusText(await (await fetch(`${url}/metrics`)).text())
  }

  /** The value of a metric without labels; NaN if it is missing. */
  value(name: string): number {
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(this.#text)?.[1] ?? Number.NaN)
  }

  /**
   * The value below which this share of a histogram's observations is, assuming an even distribution within each
   * bucket.
   */
  quantile(name: string, share: number): number {
    const buckets = [...this.#text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\d+)$`, 'gm'))]
    const counts = buckets.map(([, bound, count]) => ({ bound: Number(bound), count: Number(count) }))
    const total = counts.at(-1)?.count ?? 0
    const wanted = total * share
    let lower = { bound: 0, count: 0 }
    for (const upper of counts) {
      if (upper.count >= wanted && upper.count > lower.count) {
        if (Number.isNaN(upper.bound)) return lower.bound // the bucket +Inf has no upper bound
        return lower.bound + ((upper.bound - lower.bound) * (wanted - lower.count)) / (upper.count - lower.count)
      }
      lower = upper
    }
    return Number.NaN
  }
}
