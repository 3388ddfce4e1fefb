/** The objects of compacted files: written from and read to a folder of this machine. */

import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../../../domain/errors.ts'
import type { BuiltFile, FileObjects } from '../../../ports/archive.ts'
import { fileKey } from '../../../protocol/archive/archive-place.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'

export interface ArchiveObjectsSettings {
  readonly prefix: string
  /** A folder for local files, which exists. */
  readonly folder: string
  /** A name that no other file has. */
  makeName(): string
}

/** DeleteObjects takes so many keys. */
const KEYS_MAX = 1000

export class ArchiveObjects implements FileObjects {
  readonly #bucket: Pick<ArchiveBucket, 'get' | 'put' | 'remove'>
  readonly #settings: ArchiveObjectsSettings

  constructor(bucket: Pick<ArchiveBucket, 'get' | 'put' | 'remove'>, settings: ArchiveObjectsSettings) {
    this.#bucket = bucket
    this.#settings = settings
  }

  async put(bucket: number, { day, path }: BuiltFile): Promise<string> {
    const key = fileKey(this.#settings.prefix, day, bucket, this.#settings.makeName())
    await this.#bucket.put(key, await readFile(path))
    return key
  }

  async fetch(keys: readonly string[]): Promise<{ paths: readonly string[]; dispose(): Promise<void> }> {
    const paths = keys.map(() => join(this.#settings.folder, `input-${this.#settings.makeName()}.parquet`))
    const dispose = async (): Promise<void> => {
      await Promise.all(paths.map((path) => rm(path, { force: true })))
    }
    try {
      for (const [i, key] of keys.entries()) {
        const body = await this.#bucket.get(key)
        if (body === undefined)
          throw new GatewayError('store_damaged', `the object '${key}' of the archive does not exist`)
        await writeFile(paths[i] as string, body)
      }
    } catch (cause) {
      await dispose()
      throw cause
    }
    return { paths, dispose }
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += KEYS_MAX) await this.#bucket.remove(keys.slice(at, at + KEYS_MAX))
  }
}
