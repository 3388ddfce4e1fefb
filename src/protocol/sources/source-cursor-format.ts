/** A polling cursor as text, and back: JSON, with the ids packed. */

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { GatewayError } from '../../domain/errors.ts'
import type { SourceCursor } from '../../domain/sources/source-cursor.ts'

const VERSION = 1
/** What the ids of a cursor inflate to at most: 200,000 of them with room to spare. */
const IDS_BYTES_MAX = 64 * 1024 * 1024

/** `{"version":1,"lastTsMs":…,"sweptMs":…,"checkedMs":…,"idsFromMs":…,"walk":{…},"ids":"…"}`, times in ms since the epoch. */
export function formatCursor(cursor: SourceCursor): string {
  const { lastTsMs, sweptMs, checkedMs, idsFromMs, walk, ids } = cursor
  return JSON.stringify({ version: VERSION, lastTsMs, sweptMs, checkedMs, idsFromMs, walk, ids: packIds(ids, sweptMs) })
}

/** Throws store_damaged for what formatCursor of this version does not write. */
export function parseCursor(text: string): SourceCursor {
  try {
    const { version, lastTsMs, sweptMs, checkedMs, idsFromMs, walk, ids } = JSON.parse(text)
    const times = [lastTsMs, sweptMs, checkedMs, idsFromMs, ...(walk === undefined ? [] : [walk.topMs])]
    const isWhole = times.every(Number.isSafeInteger) && typeof ids === 'string'
    if (version !== VERSION || !isWhole || (walk !== undefined && typeof walk.resume !== 'string'))
      throw new Error('shape')
    const rest = walk === undefined ? {} : { walk: { resume: walk.resume, topMs: walk.topMs } }
    return { lastTsMs, sweptMs, checkedMs, idsFromMs, ids: unpackIds(ids, sweptMs), ...rest }
  } catch (cause) {
    const advice = 'restore it, or remove it to begin with a first run, which looks for what is stored already'
    throw new GatewayError('store_damaged', `the cursor of the poller cannot be read; ${advice}`, { cause })
  }
}

/** Lines of an id and its time from `baseMs`, in base 36: by id, for neighbours begin alike and then pack well. */
function packIds(ids: ReadonlyMap<string, number>, baseMs: number): string {
  const lines = [...ids].map(([id, ms]) => `${JSON.stringify(id).slice(1, -1)} ${(ms - baseMs).toString(36)}`)
  return deflateRawSync(lines.sort().join('\n'), { level: 9 }).toString('base64')
}

function unpackIds(packed: string, baseMs: number): ReadonlyMap<string, number> {
  const text = inflateRawSync(Buffer.from(packed, 'base64'), { maxOutputLength: IDS_BYTES_MAX }).toString()
  const ids = new Map<string, number>()
  for (const line of text === '' ? [] : text.split('\n')) {
    const end = line.lastIndexOf(' ')
    const ms = Number.parseInt(line.slice(end + 1), 36) + baseMs
    if (end < 1 || !Number.isSafeInteger(ms)) throw new Error('id')
    ids.set(JSON.parse(`"${line.slice(0, end)}"`), ms)
  }
  return ids
}
