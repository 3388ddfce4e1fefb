/** Reads what is in the archive or on its way there, without the gateway's own code. */

import { gunzipSync } from 'node:zlib'
import { type LocalCloud, PREFIX } from '../doubles/local-cloud.ts'

interface ArchiveLine {
  readonly line: string
}

/** The lines of all objects and all messages including dead letters, in no order, with duplicates. */
export async function archivedLines(cloud: LocalCloud): Promise<string[]> {
  const objects = (await cloud.objects(PREFIX)).map(({ body }) => body)
  const messages = [...cloud.messages(), ...cloud.deadLetters()].map((body) => Buffer.from(body, 'base64'))
  return [...objects, ...messages].flatMap(linesOf)
}

/** Concatenated gzip members with one JSON object per line. */
function linesOf(bytes: Buffer): string[] {
  const texts = gunzipSync(bytes).toString().split('\n').slice(0, -1)
  return texts.map((text) => (JSON.parse(text) as ArchiveLine).line)
}
