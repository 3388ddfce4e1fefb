/** Formats and parses a polling cursor: JSON with compressed ids. */

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { GatewayError } from '../../domain/errors.ts'
import type { SourceCursor } from '../../domain/sources/source-cursor.ts'

const VERSION = 1
/** Maximum inflated size of the ids: more than enough for 200,000. */
const IDS_BYTES_MAX = 64 * 1024 * 1024

/** `{"version":1,"lastTsMs":…,"sweptMs":…,"checkedMs":…,"idsFromMs":…,"walk":{…},"ids":"…"}`, times in ms since the epoch. */
export function formatCursor(cursor: SourceCursor): string {
  const { lastTsMs, sweptMs, checkedMs, idsFromMs, walk, ids } = cursor
  return JSON.stringify({ version: VERSION, lastTsMs, sweptMs, checkedMs, idsFromMs, walk, ids: packIds(ids, sweptMs) })
}

/** Throws store_damaged for any text that is not from formatCursor of this version. */
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
    const advice = 'restore it, or delete it to start with a first run, which checks for stored entries'
    throw new GatewayError('store_damaged', `the cursor of the poller cannot be read; ${advice}`, { cause })
  }
}

/** Lines of an id and its time from `baseMs`, in base 36; sorted by id, because common prefixes compress well. */
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
