/** A database that the version before wrote: schema 1, two tenants with two pushes of 40 streams each. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

const SCHEMA_1 = new URL('../adapters/embedded/streams/schema-1.db.gz', import.meta.url)
/** Streams of each tenant; each has the lines `line 0 of N` and `line 1 of N`. */
export const EARLIER_STREAMS = 40
/** The highest id that a stream ever had there: it was removed. */
export const EARLIER_LAST_ID = 81

/** Puts it into the data folder, which is created. */
export function putEarlierFile(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(join(dataDir, 'millrace.db'), gunzipSync(readFileSync(SCHEMA_1)))
}
