/** A stream of the store, and how it and its id are written in rows. */

import { createHash } from 'node:crypto'
import { GatewayError } from '../../../domain/errors.ts'
import { formatLabels, type Label, type Labels } from '../../../domain/labels.ts'

export interface StoredStream {
  readonly id: number
  readonly tenant: number
  /** formatLabels(labels). */
  readonly key: string
  readonly labels: Labels
}

/** The first 64 bits of the key's SHA-256, signed: nobody can make label sets that share it and are compared one by one. */
export function hashOfKey(key: string): bigint {
  return createHash('sha256').update(key).digest().readBigInt64LE(0)
}

/** The stream of a row of the table. Throws store_damaged if the column is not what formatLabelColumn wrote. */
export function readStream(id: number, tenant: number, column: string): StoredStream {
  const labels = parseLabelColumn(id, column)
  return { id, tenant, key: formatLabels(labels), labels }
}

/** Labels in the format of the column: a JSON array of name, value, name, value. */
export function formatLabelColumn(labels: Labels): string {
  return JSON.stringify(labels.flatMap(({ name, value }) => [name, value]))
}

function parseLabelColumn(id: number, text: string): Labels {
  const flat = parseTexts(text)
  if (flat === undefined || flat.length % 2 === 1) {
    throw new GatewayError('store_damaged', `the labels of stream ${id} cannot be read; run 'millrace repair'`)
  }
  const labels: Label[] = []
  for (let i = 0; i < flat.length; i += 2) labels.push({ name: flat[i] as string, value: flat[i + 1] as string })
  return labels
}

function parseTexts(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined
  } catch {
    return undefined
  }
}

/** Stream ids in the format of the column: u32 LE, in the order of the runs. */
export function formatStreamIds(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(ids).buffer)
}

/** A damaged row may give wrong or too few ids, which decoding the block detects. */
export function parseStreamIds(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice(0, bytes.length - (bytes.length % 4)).buffer)
}
