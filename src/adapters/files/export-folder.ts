/** Exports as folders of Parquet files, laid out like the archive in a bucket: `dt=2026-11-29/tb=0/00001.parquet`. */

import { existsSync } from 'node:fs'
import { appendFile, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Block, type StreamRun, startOf } from '../../domain/entries/block.ts'
import { batchOfBlock } from '../../domain/entries/block-builder.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { BuiltFile, ExportReport, FileBuilder, LogExport } from '../../ports/archive.ts'
import { encodeArchive } from '../../protocol/archive/archive-encode.ts'
import { fileKey } from '../../protocol/archive/archive-place.ts'

export interface ExportFolderSettings {
  /** The new folder. */
  readonly path: string
  /** Line bytes that are built into files at once. */
  readonly lineBytesMax: number
  /** Makes the builder of files, which may use the folder. */
  openBuilder(folder: string): FileBuilder
}

/** Entries beside their lines in the archive lines, so that empty lines are bounded too. */
const ENTRY_BYTES = 64

export class ExportFolder implements LogExport {
  readonly #settings: ExportFolderSettings
  readonly #partial: string
  readonly #lines: string
  readonly #builder: FileBuilder
  readonly #written: BuiltFile[] = []
  #waitingBytes = 0
  #waitingEntries = 0

  private constructor(settings: ExportFolderSettings, partial: string, making: string) {
    this.#settings = settings
    this.#partial = partial
    this.#lines = join(making, 'lines.ndjson.zst')
    this.#builder = settings.openBuilder(making)
  }

  /** Throws parameter_invalid if there is something of this name. What an export that died left is deleted. */
  static async open(settings: ExportFolderSettings): Promise<ExportFolder> {
    const { path } = settings
    if (existsSync(path)) {
      throw new GatewayError('parameter_invalid', `'${path}' already exists; give the name of a new folder`)
    }
    const partial = `${resolve(path)}.partial`
    const making = join(partial, 'making')
    try {
      await rm(partial, { recursive: true, force: true })
      await mkdir(making, { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw cannotWrite(path, cause)
    }
    return new ExportFolder(settings, partial, making)
  }

  async add(tenant: string, block: Block, runs: readonly StreamRun[]): Promise<void> {
    const entries = entriesOf(runs)
    const limits = { memberBytesMax: Number.POSITIVE_INFINITY, codec: 'zstd' } as const
    const members = await encodeArchive(batchOfBlock(tenant, block), entries, limits)
    await this.#write(() => appendFile(this.#lines, Buffer.concat(members.map(({ bytes }) => bytes)), { mode: 0o600 }))
    this.#waitingEntries += entries.length
    for (const { start, end } of runs) {
      this.#waitingBytes +=
        (block.lineEnds[end - 1] as number) - startOf(block.lineEnds, start) + (end - start) * ENTRY_BYTES
    }
    if (this.#waitingBytes >= this.#settings.lineBytesMax) await this.#build()
  }

  async finish(): Promise<ExportReport> {
    await this.#build()
    await this.#write(async () => {
      await rm(dirname(this.#lines), { recursive: true, force: true })
      await rename(this.#partial, resolve(this.#settings.path))
    })
    return {
      files: this.#written.length,
      entries: this.#written.reduce((sum, { rows }) => sum + rows, 0),
      bytes: this.#written.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  async abandon(): Promise<void> {
    await rm(this.#partial, { recursive: true, force: true })
  }

  async #build(): Promise<void> {
    if (this.#waitingEntries === 0) return
    const { files, rows } = await this.#builder.build([this.#lines])
    if (rows !== this.#waitingEntries) {
      throw new GatewayError('internal', `BUG: ${rows} of ${this.#waitingEntries} entries were exported; report it`)
    }
    for (const file of files) await this.#keep(file)
    await this.#write(() => rm(this.#lines))
    this.#waitingBytes = 0
    this.#waitingEntries = 0
  }

  /** Gives a built file its name, on disk. */
  async #keep(file: BuiltFile): Promise<void> {
    const name = String(this.#written.length + 1).padStart(5, '0')
    const path = join(this.#partial, fileKey('', file.day, 0, name).replace('parquet/', ''))
    await this.#write(async () => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await rename(file.path, path)
      const handle = await open(path, 'r+')
      try {
        await handle.chmod(0o600)
        await handle.sync()
      } finally {
        await handle.close()
      }
    })
    this.#written.push(file)
  }

  async #write(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (cause) {
      throw cannotWrite(this.#settings.path, cause)
    }
  }
}

function entriesOf(runs: readonly StreamRun[]): Uint32Array {
  const entries = new Uint32Array(runs.reduce((sum, { start, end }) => sum + end - start, 0))
  let at = 0
  for (const { start, end } of runs) for (let entry = start; entry < end; entry++) entries[at++] = entry
  return entries
}

function cannotWrite(path: string, cause: unknown): GatewayError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const text = `the export '${path}' cannot be written: ${why}; check the space and the permissions, or name another folder`
  return new GatewayError('store_unavailable', text, { cause })
}
