/** What incidents have in common wherever they are made or shown: their hash, and what their links are made of. */

import { createHmac, createSecretKey } from 'node:crypto'
import type { Config } from '../config/read-config.ts'
import type { KeyedHash } from '../domain/incidents/incident.ts'

/** Hexadecimal digits of a hash: 128 bits. */
const HASH_CHARS = 32

/** HMAC-SHA256, cut to 128 bits. The length of each part comes before it. */
export function openHash(key: Uint8Array): KeyedHash {
  // Made once: from bytes, each hash would make one, which takes ten times as long as the rest.
  const secret = createSecretKey(key)
  return (parts) => {
    const hmac = createHmac('sha256', secret)
    for (const part of parts) {
      hmac.update(`${typeof part === 'string' ? Buffer.byteLength(part) : part.length}:`)
      hmac.update(part)
    }
    return hmac.digest('hex').slice(0, HASH_CHARS)
  }
}

/** What links in notifications and responses are made of. */
export function linkSettings({ incidents, poll }: Pick<Config, 'incidents' | 'poll'>) {
  return { ...incidents.links, region: poll.awsRegion }
}
