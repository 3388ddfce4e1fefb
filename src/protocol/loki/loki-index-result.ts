/** Loki's responses about the index, formatted by hand: statistics, volumes, detected labels and fields, patterns. */

import type { Labels } from '../../domain/labels.ts'
import type { Slices } from '../../kit/slices.ts'
import { type Body, BodyWriter } from '../bytes/body-writer.ts'
import { formatSeconds } from './loki-number.ts'
import { formatLabelObject, formatStats } from './loki-result.ts'

const NO_STATS = formatStats({ bytes: 0, lines: 0, linesAfterFilter: 0, entriesReturned: 0, seconds: 0 })

export interface ShownStats {
  readonly streams: number
  readonly chunks: number
  readonly bytes: number
  readonly entries: number
}

/** /index/stats: flat, without an envelope. */
export function formatIndexStats({ streams, chunks, bytes, entries }: ShownStats): string {
  return `${JSON.stringify({ streams, chunks, bytes, entries })}\n`
}

/** /index/shards: one shard with every stream, whatever its fingerprint (an unsigned 64-bit number). */
export function formatIndexShards({ streams, chunks, bytes, entries }: ShownStats): string {
  const stats = JSON.stringify({ streams, chunks, bytes, entries })
  return `{"shards":[{"bounds":{"min":0,"max":18446744073709551615},"stats":${stats}}],"statistics":${NO_STATS}}\n`
}

export interface ShownVolume {
  readonly labels: Labels
  readonly samples: readonly (readonly [ns: bigint, bytes: number])[]
}

/** /index/volume and /index/volume_range: a vector unless some series has several samples, as in Loki. */
export function* formatVolumes(volumes: readonly ShownVolume[]): Slices<Body> {
  const isMatrix = volumes.some(({ samples }) => samples.length > 1)
  const body = new BodyWriter()
  body.write(`{"status":"success","data":{"resultType":"${isMatrix ? 'matrix' : 'vector'}","result":[`)
  for (const [i, { labels, samples }] of volumes.entries()) {
    body.write(`${i === 0 ? '' : ','}{"metric":${formatLabelObject(labels)},${isMatrix ? '"values":[' : '"value":'}`)
    yield* body.writeList(samples, ([ns, bytes]) => `[${formatSeconds(ns)},"${bytes}"]`)
    if (body.write(isMatrix ? ']}' : '}')) yield
  }
  body.write(`],"stats":${NO_STATS}}}\n`)
  return body.finish()
}

/** /detected_labels */
export function formatDetectedLabels(
  labels: readonly { readonly name: string; readonly cardinality: number }[],
): string {
  const detectedLabels = labels.map(({ name, cardinality }) => ({ label: name, cardinality }))
  return `${JSON.stringify({ detectedLabels })}\n`
}

export interface ShownField {
  readonly name: string
  readonly type: string
  readonly cardinality: number
  /** Empty for structured metadata, for which Loki returns `null`. */
  readonly parsers: readonly string[]
  /** The path of the field in JSON lines. */
  readonly jsonPath: readonly string[] | undefined
}

/** /detected_fields */
export function formatDetectedFields(fields: readonly ShownField[], limit: number): string {
  const shown = fields.map(({ name, type, cardinality, parsers, jsonPath }) => ({
    label: name,
    type,
    cardinality,
    parsers: parsers.length === 0 ? null : parsers,
    ...(jsonPath === undefined ? {} : { jsonPath }),
  }))
  return `${JSON.stringify({ fields: shown, limit })}\n`
}

/** /detected_field/{name}/values */
export function formatFieldValues(values: readonly string[], limit: number): string {
  return `${JSON.stringify({ values, limit })}\n`
}

export interface ShownPattern {
  readonly pattern: string
  readonly level: string
  /** Lines by the start of their step, in whole seconds. */
  readonly samples: readonly (readonly [seconds: number, count: number])[]
}

/** /patterns */
export function formatPatterns(patterns: readonly ShownPattern[]): string {
  const data = patterns.map(({ pattern, level, samples }) => ({ pattern, level, samples }))
  return `${JSON.stringify({ status: 'success', data })}\n`
}
