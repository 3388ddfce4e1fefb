/** The common parts of incidents in all processes: their hash, and the settings of links. */

import { createHmac, createSecretKey } from 'node:crypto'
import type { Config } from '../config/read-config.ts'
import type { KeyedHash } from '../domain/incidents/incident.ts'

/** Hexadecimal digits of a hash: 128 bits. */
const HASH_CHARS = 32

/** HMAC-SHA256, truncated to 128 bits. Each part is prefixed with its length. */
export function openHash(key: Uint8Array): KeyedHash {
  // Created once: creating the key object for each hash would take ten times as long as the rest.
  const secret = createSecretKey(key)
  return (parts) => {
    const hmac = createHmac('sha256', secret)
    let text = ''
    for (const part of parts) {
      if (typeof part === 'string') text += `${Buffer.byteLength(part)}:${part}`
      else {
        hmac.update(`${text}${part.length}:`).update(part)
        text = ''
      }
    }
    return hmac.update(text).digest('hex').slice(0, HASH_CHARS)
  }
}

/** The settings of links in notifications and responses. */
export function linkSettings({ incidents, poll }: Pick<Config, 'incidents' | 'poll'>) {
  return { ...incidents.links, region: poll.awsRegion }
}
