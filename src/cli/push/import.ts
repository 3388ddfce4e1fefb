/** `millrace import`: pushes the entries of Parquet files to a gateway or any Loki. */

import { type FileHandle, open } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Labels } from '../../domain/labels.ts'
import type { Wait } from '../../kit/backoff.ts'
import { readParquetEntries } from '../../protocol/archive/parquet-file.ts'
import { PushWriter } from '../../protocol/loki/loki-push-writer.ts'
import { CLIENT_OPTIONS, CLIENT_USAGE, type GatewayAddress, readAddress } from '../client.ts'
import { type Command, EXIT_FAILED } from '../commands.ts'
import { type PushTarget, pushBatch } from './push-client.ts'
import { PushTotals } from './totals.ts'

/** A push is sent when its entries have this many bytes. */
const PUSH_BYTES = 1024 * 1024

export function importCommand(wait: Wait): Command {
  return {
    name: 'import',
    summary: 'Pushes the entries of Parquet files, such as those of an export.',
    usage: `millrace import [options] FILE …

${CLIENT_USAGE}; default: the one that the files name

  Entries keep their times, labels and structured metadata; those that the gateway has are not stored twice, so that an
  import that was cut off can be repeated.

  millrace import november/*/*/*.parquet`,
    run: async (args, terminal) => {
      const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: CLIENT_OPTIONS })
      const gateway = readAddress(values, terminal.client)
      if (positionals.length === 0) throw new GatewayError('parameter_invalid', 'got no file; give at least one')
      const totals = new PushTotals(terminal)
      const files = await openAll(positionals)
      try {
        for (const file of files) await importFile(file, new Pushes({ gateway, totals, wait, file: file.path }))
      } finally {
        await Promise.all(files.map(({ handle }) => handle.close()))
      }
      return totals.report() ? 0 : EXIT_FAILED
    },
  }
}

interface OpenFile {
  readonly path: string
  readonly handle: FileHandle
  readonly bytes: number
}

/** Throws parameter_invalid before anything is pushed if a file cannot be opened. */
async function openAll(paths: readonly string[]): Promise<readonly OpenFile[]> {
  const files: OpenFile[] = []
  try {
    for (const path of paths) {
      const handle = await open(path)
      const stats = await handle.stat()
      files.push({ path, handle, bytes: stats.size })
      if (!stats.isFile()) throw new Error('it is not a file')
    }
  } catch (cause) {
    await Promise.all(files.map(({ handle }) => handle.close()))
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new GatewayError('parameter_invalid', `${paths[files.length] ?? paths.at(-1)} cannot be read: ${why}`, {
      cause,
    })
  }
  return files
}

async function importFile({ path, handle, bytes }: OpenFile, pushes: Pushes): Promise<void> {
  const slice = async (start: number, end = bytes): Promise<ArrayBuffer> => {
    const part = new Uint8Array(end - start)
    let at = 0
    while (at < part.length) {
      const { bytesRead } = await handle.read(part, at, part.length - at, start + at)
      if (bytesRead === 0) throw new GatewayError('store_damaged', 'it became shorter while it was read')
      at += bytesRead
    }
    return part.buffer
  }
  try {
    for await (const entries of readParquetEntries({ byteLength: bytes, slice })) {
      for (const { tenant, labels, ns, line, metadata } of entries) {
        if (pushes.mustSend(tenant)) await pushes.send()
        pushes.at(tenant, labels).add(ns, line, metadata)
      }
    }
    await pushes.send()
  } catch (cause) {
    if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged') throw cause
    throw new GatewayError('store_damaged', `${path}: ${cause.message}`, { cause })
  }
}

/** The entries of a file as pushes, each of one tenant. */
class Pushes {
  readonly #parts: { gateway: GatewayAddress; totals: PushTotals; wait: Wait; file: string }
  #tenant: string | undefined
  #labels: Labels | undefined
  #writer: PushWriter | undefined
  /** The number of the first row that was not sent. */
  #row = 1

  constructor(parts: { gateway: GatewayAddress; totals: PushTotals; wait: Wait; file: string }) {
    this.#parts = parts
  }

  /** Whether what was added must be sent before the next entry of the tenant is added. */
  mustSend(tenant: string): boolean {
    return this.#writer !== undefined && (tenant !== this.#tenant || this.#writer.byteLength >= PUSH_BYTES)
  }

  /** The writer for entries of the stream. */
  at(tenant: string, labels: Labels): PushWriter {
    if (this.#writer === undefined) this.#writer = new PushWriter(formatLabels(labels))
    else if (labels !== this.#labels) this.#writer.beginStream(formatLabels(labels))
    this.#tenant = tenant
    this.#labels = labels
    return this.#writer
  }

  async send(): Promise<void> {
    const [writer, row] = [this.#writer, this.#row]
    if (writer === undefined || writer.count === 0) return
    const { totals, wait, file } = this.#parts
    const numbers = Array.from({ length: writer.count }, (_, i) => row + i)
    try {
      totals.add(file, await pushBatch(this.#target(), { entries: writer, numbers }, wait))
    } catch (cause) {
      totals.stop(`entries of ${file} from row ${row} on were not pushed; repeat the import`)
      throw cause
    }
    this.#row += writer.count
    this.#writer = undefined
  }

  #target(): PushTarget {
    const { url, headers } = this.#parts.gateway
    const form = { 'content-type': 'application/x-protobuf', accept: 'application/json' }
    return { url: `${url}/loki/api/v1/push`, headers: { 'x-scope-orgid': this.#tenant ?? '', ...headers, ...form } }
  }
}
