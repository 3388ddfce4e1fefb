/** The parts of the compactor: manifest, rows and objects on AWS, files built by DuckDB in a folder of this machine. */

import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ArchiveObjects } from '../adapters/aws/archive/archive-objects.ts'
import { ArrivedRows } from '../adapters/aws/archive/arrived-rows.ts'
import { DynamoManifest } from '../adapters/aws/archive/dynamo-manifest.ts'
import { RowArrivals } from '../adapters/aws/archive/gathered-arrivals.ts'
import { ArchiveBucket } from '../adapters/aws/archive-bucket.ts'
import { DuckdbFiles } from '../adapters/duckdb/duckdb-files.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { ArchiveArrivals, ArchiveManifest, FileBuilder, FileObjects } from '../ports/archive.ts'
import { type AwsClients, makeAwsClients } from './aws-clients.ts'

export interface CompactorHome {
  readonly manifest: ArchiveManifest
  readonly arrivals: ArchiveArrivals
  readonly builder: FileBuilder
  readonly objects: FileObjects
  /** Deletes the folder. */
  close(): Promise<void>
}

export interface CompactorEvents {
  /** A part of the archive cannot be read, and was left out. */
  sourceDamaged(name: string, why: string): void
}

/** Calls no service yet. Throws config_invalid without a bucket or a table. */
export async function openCompactor(
  { aws }: Pick<Config, 'aws'>,
  events: CompactorEvents,
  clients: AwsClients = makeAwsClients(aws),
): Promise<CompactorHome> {
  const { table, bucket: bucketName, archivePrefix: prefix } = aws
  if (table === undefined || bucketName === undefined) {
    throw new GatewayError('config_invalid', 'the compactor needs MILLRACE_TABLE and MILLRACE_BUCKET; set them')
  }
  await mkdir(aws.cacheDir, { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(aws.cacheDir, 'compactor-'))
  const bucket = new ArchiveBucket(clients.objects, bucketName)
  const manifest = new DynamoManifest(clients.items, { table, buckets: aws.archiveBuckets })
  const rows = new ArrivedRows(clients.items, table)
  const damaged = (name: string, why: string): void => events.sourceDamaged(name, why)
  return {
    manifest,
    arrivals: new RowArrivals({ rows, manifest, bucket, damaged, makeName: randomUUID }, { prefix, folder }),
    builder: new DuckdbFiles({ folder, memoryBytes: aws.compactorMemoryBytes, fileLineBytes: FILE_LINE_BYTES }),
    objects: new ArchiveObjects(bucket, { prefix, folder, makeName: randomUUID }),
    close: async () => {
      clients.destroy()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** About 256 MB compressed. */
const FILE_LINE_BYTES = 2 ** 30
