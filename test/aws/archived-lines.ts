/** What the archive holds, and what is on its way there: read with nothing of the gateway's own. */

import { gunzipSync } from 'node:zlib'
import { type LocalCloud, PREFIX } from '../doubles/local-cloud.ts'

interface ArchiveLine {
  readonly line: string
}

/** The lines of all objects and of all messages, dead letters too, in no order, repeated where they are. */
export async function archivedLines(cloud: LocalCloud): Promise<string[]> {
  const objects = (await cloud.objects(PREFIX)).map(({ body }) => body)
  const messages = [...cloud.messages(), ...cloud.deadLetters()].map((body) => Buffer.from(body, 'base64'))
  return [...objects, ...messages].flatMap(linesOf)
}

/** Gzip members, one behind the other, of one JSON object a line. */
function linesOf(bytes: Buffer): string[] {
  const texts = gunzipSync(bytes).toString().split('\n').slice(0, -1)
  return texts.map((text) => (JSON.parse(text) as ArchiveLine).line)
}
