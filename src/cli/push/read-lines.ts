/** Splits bytes into lines as they arrive, in bounded memory. */

/** The lines completed by one read. They may share its memory: use them before the next read. */
export interface ReadLines {
  readonly lines: readonly Uint8Array[]
  /** The number of each line in its input, counted from 1. */
  readonly numbers: readonly number[]
  /** Numbers of lines that are longer than the limit; they are skipped. */
  readonly tooLong: readonly number[]
  /** When the bytes were read, ms since the epoch. */
  readonly atMs: number
  /** Bytes read from the input so far. */
  readonly bytes: number
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * The lines of `chunks`. A line ends with LF or CRLF; the last one may end with the input. Empty lines are skipped,
 * because Loki stores none. A line of more than `lineBytesMax` bytes is skipped without being kept in memory.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
  nowMs: () => number,
): AsyncGenerator<ReadLines> {
  const splitter = new LineSplitter(lineBytesMax)
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    yield { ...splitter.split(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)), atMs: nowMs(), bytes }
  }
  yield { ...splitter.end(), atMs: nowMs(), bytes }
}

type Split = Pick<ReadLines, 'lines' | 'numbers' | 'tooLong'>

class LineSplitter {
  readonly #lineBytesMax: number
  #number = 1
  /** The current incomplete line, and how many bytes of it were read. */
  #parts: Buffer[] = []
  #partBytes = 0
  #lines: Uint8Array[] = []
  #numbers: number[] = []
  #tooLong: number[] = []

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  split(chunk: Buffer): Split {
    let from = 0
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      this.#add(chunk.subarray(from, at))
      this.#endLine()
      from = at + 1
    }
    this.#add(chunk.subarray(from))
    return this.#take()
  }

  end(): Split {
    if (this.#partBytes > 0) this.#endLine()
    return this.#take()
  }

  #add(part: Buffer): void {
    this.#partBytes += part.length
    if (this.#partBytes <= this.#lineBytesMax) this.#parts.push(part)
    else this.#parts = []
  }

  #endLine(): void {
    if (this.#partBytes > this.#lineBytesMax) this.#tooLong.push(this.#number)
    else {
      const whole = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts)
      const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole
      if (line.length > 0) {
        this.#lines.push(line)
        this.#numbers.push(this.#number)
      }
    }
    this.#parts = []
    this.#partBytes = 0
    this.#number++
  }

  #take(): Split {
    const split = { lines: this.#lines, numbers: this.#numbers, tooLong: this.#tooLong }
    this.#lines = []
    this.#numbers = []
    this.#tooLong = []
    return split
  }
}
