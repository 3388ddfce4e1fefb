/** Groups lines into pushes: by size, and by time if lines arrive slowly. */

import { RisingNs } from '../../domain/entries/rising-ns.ts'
import type { Wait } from '../../kit/backoff.ts'
import type { PushWriter } from '../../protocol/loki/loki-push-writer.ts'
import type { ReadLines } from './read-lines.ts'

/** The lines of one push. Its entries are valid until the next batch is requested. */
export interface Batch {
  readonly entries: PushWriter
  /** The number of each entry's line in the input. */
  readonly numbers: readonly number[]
  /** Numbers of lines that were too long to push. */
  readonly tooLong: readonly number[]
  /** Bytes read from the input so far. */
  readonly bytesRead: number
}

/** The timestamp in a line, in ns since the epoch. */
export type TimeOf = (line: Uint8Array) => bigint | undefined

export interface BatchLimits {
  /** A batch ends when its entries have this many bytes. */
  readonly bytesMax: number
  /** How long the first line of a batch waits for more lines, ms. */
  readonly waitMs: number
}

/**
 * Batches of `reads`. The time of a line is when it was read, strictly increasing to keep the order; `timeOf` may
 * return another, and lines without one then follow the previous line. Ends with the input, or when `stop` is aborted:
 * the last batch contains what was read until then. If `reads` fails, that batch is followed by its error.
 */
export async function* gatherBatches(
  reads: AsyncIterable<ReadLines>,
  writer: PushWriter,
  limits: BatchLimits,
  timeOf: TimeOf,
  { wait, stop }: { readonly wait: Wait; readonly stop?: AbortSignal | undefined },
): AsyncGenerator<Batch> {
  const iterator = reads[Symbol.asyncIterator]()
  const events = new EventQueue()
  const gathering = new Gathering(writer, limits, timeOf)
  const readNext = () =>
    iterator.next().then(
      (read) => events.put(read),
      (cause) => events.put({ cause }),
    )
  const onStop = () => events.put('stopped')
  if (stop?.aborted === true) onStop()
  stop?.addEventListener('abort', onStop, { once: true })
  let due: AbortController | undefined
  const startWait = () => {
    const started = new AbortController()
    due = started
    void wait(limits.waitMs, started.signal).then(() => {
      if (!started.signal.aborted) events.put('due')
    })
  }
  const endWait = () => {
    due?.abort()
    due = undefined
    gathering.clear()
  }
  try {
    void readNext()
    for (;;) {
      const event = await events.take()
      if (event === 'stopped') break
      if (typeof event === 'object' && 'cause' in event) {
        if (!gathering.isEmpty) yield gathering.batch
        throw event.cause
      }
      if (event === 'due') {
        if (!gathering.isEmpty) yield gathering.batch
        endWait()
        continue
      }
      if (event.done === true) break
      for (const batch of gathering.add(event.value)) {
        yield batch
        endWait()
      }
      if (!gathering.isEmpty && due === undefined) startWait()
      void readNext()
    }
    if (!gathering.isEmpty) yield gathering.batch
  } finally {
    stop?.removeEventListener('abort', onStop)
    endWait()
  }
}

type PushEvent = 'due' | 'stopped' | { readonly cause: unknown } | IteratorResult<ReadLines>

/** Events in order. Racing a promise that stays pending would keep every result in memory. */
class EventQueue {
  #events: PushEvent[] = []
  #wake: () => void = () => undefined

  put(event: PushEvent): void {
    this.#events.push(event)
    this.#wake()
  }

  async take(): Promise<PushEvent> {
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) return event
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

class Gathering {
  readonly #writer: PushWriter
  readonly #limits: BatchLimits
  readonly #timeOf: TimeOf
  readonly #rising = new RisingNs()
  /** The time of the last line with a timestamp. */
  #statedNs: bigint | undefined
  #numbers: number[] = []
  #tooLong: number[] = []
  #bytesRead = 0

  constructor(writer: PushWriter, limits: BatchLimits, timeOf: TimeOf) {
    this.#writer = writer
    this.#limits = limits
    this.#timeOf = timeOf
  }

  get isEmpty(): boolean {
    return this.#numbers.length === 0 && this.#tooLong.length === 0
  }

  get batch(): Batch {
    return { entries: this.#writer, numbers: this.#numbers, tooLong: this.#tooLong, bytesRead: this.#bytesRead }
  }

  /** Adds lines; yields the batch each time it is full. */
  *add({ lines, numbers, tooLong, atMs, bytes }: ReadLines): Generator<Batch> {
    this.#tooLong.push(...tooLong)
    this.#bytesRead = bytes
    const readNs = this.#rising.take(atMs, lines.length)
    for (const [i, line] of lines.entries()) {
      this.#writer.add(this.#stated(line) ?? readNs + BigInt(i), line)
      this.#numbers.push(numbers[i] as number)
      if (this.#writer.byteLength >= this.#limits.bytesMax) yield this.batch
    }
  }

  clear(): void {
    this.#writer.clear()
    this.#numbers = []
    this.#tooLong = []
  }

  /** Lines of a stack trace have no timestamp: they follow the previous line. */
  #stated(line: Uint8Array): bigint | undefined {
    const stated = this.#timeOf(line)
    if (stated !== undefined) this.#statedNs = stated
    else if (this.#statedNs !== undefined) this.#statedNs += 1n
    return this.#statedNs
  }
}
