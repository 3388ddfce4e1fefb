/** The comparison of two peers over random data and questions, and what came of it. */

import { globSync, readFileSync } from 'node:fs'
import { QueryMaker } from '../fuzz/logql-queries.ts'
import { readCases } from '../language/case-file.ts'
import { Random } from '../support/random.ts'
import { compareReplies, type Difference } from './answers.ts'
import { type DataSet, makeDataSet } from './data-set.ts'
import { KNOWN_FAULTS, knownDifference } from './known-differences.ts'
import type { Peer, Reply } from './peer.ts'
import { makeQuestion, type Question } from './question.ts'
import { type Case, shrinkCase } from './shrink.ts'

export interface FuzzOptions {
  readonly left: Peer
  readonly right: Peer
  readonly seed: number
  /** Stops at this many comparisons. */
  readonly comparisons: number
  readonly perSet: number
  readonly inFlight: number
  /** The whole hour, in ns, before which all data lies. */
  readonly before: bigint
  /** Makes the tenants of this run its own. */
  readonly run: string
  /** Shrinks at most as many cases of one kind. */
  readonly shrinksPerKind: number
  /** And so many in all. */
  readonly shrinksMax: number
  readonly report: (text: string) => void
  /** Called where a peer gave no answer, to start it again. */
  readonly onSilence: () => Promise<void>
}

export interface FuzzResult {
  readonly compared: number
  /** Both gave 200 and at least one entry or sample. */
  readonly filled: number
  readonly refused: number
  /** The right peer's own answer changed when it was asked again. */
  readonly unstable: number
  /** By the name of known-differences.ts. */
  readonly known: ReadonlyMap<string, number>
  readonly found: readonly Found[]
}

export interface Found {
  readonly difference: Difference
  readonly original: Question
  readonly small: Case | undefined
  readonly seed: number
}

interface Compared {
  readonly difference: Difference | undefined
  readonly left: Reply
  readonly right: Reply
}

const KNOWN_QUERIES = globSync(new URL('../language/cases/*.txt', import.meta.url).pathname)
  .sort()
  .flatMap((file) => readCases(readFileSync(file, 'utf8')).map(({ query }) => query))
/** How often the right peer is asked again before a difference counts. */
const SECOND_ASKS = 3

export class Fuzzer {
  readonly #options: FuzzOptions
  readonly #found: Found[] = []
  readonly #known = new Map<string, number>()
  readonly #shrinks = new Map<string, number>()
  #compared = 0
  #filled = 0
  #refused = 0
  #unstable = 0
  #tenants = 0
  #shrunk = 0

  constructor(options: FuzzOptions) {
    this.#options = options
  }

  async run(): Promise<FuzzResult> {
    const { seed, comparisons, report } = this.#options
    for (let i = 0; this.#compared < comparisons; i++) {
      await this.#compareSet(seed + i)
      report(this.#status())
    }
    report(this.#status())
    return {
      compared: this.#compared,
      filled: this.#filled,
      refused: this.#refused,
      unstable: this.#unstable,
      known: this.#known,
      found: this.#found,
    }
  }

  #status(): string {
    const known = [...this.#known.values()].reduce((sum, count) => sum + count, 0)
    return `${this.#compared} compared: ${this.#filled} filled, ${this.#refused} refused by both, ${known} known, ${this.#unstable} unstable, ${this.#found.length} different`
  }

  async #compareSet(seed: number): Promise<void> {
    const random = new Random(seed)
    const set = makeDataSet(random, this.#options.before - 3_600_000_000_000n)
    const tenant = await this.#push(set.streams).catch((error: unknown) => {
      // Loki's reader of JSON finds no end of some strings.
      this.#options.report(
        `a set is left out (seed ${seed}): ${error instanceof Error ? error.message.slice(0, 300) : error}`,
      )
      return undefined
    })
    if (tenant === undefined) return
    const odd = new QueryMaker(random, KNOWN_QUERIES)
    const questions = Array.from({ length: this.#options.perSet }, () => makeQuestion(random, set, () => odd.make()))
    const different: { question: Question; difference: Difference }[] = []
    const queue = [...questions]
    const work = async (): Promise<void> => {
      for (let question = queue.shift(); question !== undefined; question = queue.shift()) {
        const { difference, left, right } = await this.#compare(tenant, question)
        this.#compared++
        if (left.status === 200 && right.status === 200 && !/"result":\[\]/.test(right.body)) this.#filled++
        if (left.status === right.status && left.status !== 200) this.#refused++
        if (difference !== undefined) different.push({ question, difference })
      }
    }
    await Promise.all(Array.from({ length: this.#options.inFlight }, work))
    for (const { question, difference } of different) await this.#keep(set, tenant, question, difference, seed)
  }

  async #push(streams: Case['streams']): Promise<string> {
    const tenant = `${this.#options.run}-${this.#tenants++}`
    await Promise.all([this.#options.left.push(tenant, streams), this.#options.right.push(tenant, streams)])
    return tenant
  }

  async #compare(tenant: string, question: Question): Promise<Compared> {
    const { left, right } = this.#options
    const [a, b] = await Promise.all([left.ask(tenant, question), right.ask(tenant, question)])
    return { difference: compareReplies(question, a, b), left: a, right: b }
  }

  async #keep(set: DataSet, tenant: string, question: Question, difference: Difference, seed: number): Promise<void> {
    const known = knownDifference(question, difference)
    if (/^status 0|and 0$/.test(difference.kind)) await this.#options.onSilence()
    const name = known?.name ?? (await this.#knownFault(tenant, question))
    if (name !== undefined) {
      this.#known.set(name, (this.#known.get(name) ?? 0) + 1)
      return
    }
    const { left, right } = this.#options
    const mine = await left.ask(tenant, question)
    for (let i = 0; i < SECOND_ASKS; i++) {
      if (compareReplies(question, mine, await right.ask(tenant, question)) === undefined) {
        this.#unstable++
        return
      }
    }
    const shrinks = this.#shrinks.get(featuresOf(question, difference)) ?? 0
    this.#shrinks.set(featuresOf(question, difference), shrinks + 1)
    const small =
      shrinks < this.#options.shrinksPerKind && this.#shrunk++ < this.#options.shrinksMax
        ? await this.#shrink({ question, streams: set.streams }, difference)
        : undefined
    const found = { difference: small?.difference ?? difference, original: question, small: small?.case, seed }
    this.#found.push(found)
    if (small !== undefined) this.#options.report(formatFound(found))
  }

  /** The fault without which both agree. */
  async #knownFault(tenant: string, question: Question): Promise<string | undefined> {
    for (const { name, without } of KNOWN_FAULTS) {
      const query = without(question.query)
      if (query === question.query) continue
      const { difference } = await this.#compare(tenant, { ...question, query })
      if (difference === undefined || knownDifference(question, difference) !== undefined) return name
    }
    return undefined
  }

  async #shrink(from: Case, { kind }: Difference): Promise<{ case: Case; difference: Difference } | undefined> {
    let last: Difference | undefined
    const pushed = new Map<Case['streams'], string>()
    const small = await shrinkCase(from, async ({ question, streams }) => {
      const tenant = pushed.get(streams) ?? (await this.#push(streams))
      pushed.set(streams, tenant)
      const { difference } = await this.#compare(tenant, question)
      // A case that shrinks into a known difference says nothing about the one that was found.
      if (difference?.kind !== kind || knownDifference(question, difference) !== undefined) return false
      last = difference
      return true
    })
    return last === undefined
      ? { case: small, difference: await this.#again(small, kind) }
      : { case: small, difference: last }
  }

  async #again({ question, streams }: Case, kind: string): Promise<Difference> {
    const { difference } = await this.#compare(await this.#push(streams), question)
    return difference ?? { kind: `${kind}, gone in a new tenant`, left: '', right: '' }
  }
}

/** Words that are the same for differences of one cause more often than not: how much is shrunk is counted by them. */
function featuresOf({ path, query }: Question, { kind }: Difference): string {
  const words =
    query.match(
      /\b(json|logfmt|regexp|pattern|unpack|line_format|label_format|decolorize|drop|keep|unwrap|ip|rate_counter|\w+_over_time|rate|bytes_rate|label_replace|topk|bottomk|sort|sort_desc|group_left|group_right|on|ignoring)\b/g,
    ) ?? []
  return [kind, path, ...new Set(words)].sort().join(' ')
}

export function formatFound({ difference, small, original, seed }: Found): string {
  const { question, streams } = small ?? { question: original, streams: [] }
  const params = Object.entries(question.params).map(([name, value]) => `${name}=${value}`)
  const lines = streams.flatMap(({ labels, entries }) =>
    entries.map(
      ({ ns, line, metadata }) =>
        `    ${JSON.stringify(labels)} ${ns} ${JSON.stringify(metadata)} ${JSON.stringify(line)}`,
    ),
  )
  return [
    `--- ${difference.kind} (seed ${seed})`,
    `  ${question.path} ${params.join(' ')}${question.isCategorized ? ' categorized' : ''}`,
    `  ${question.query}`,
    ...lines,
    `  left:  ${difference.left.slice(0, 1500)}`,
    `  right: ${difference.right.slice(0, 1500)}`,
  ].join('\n')
}
