/** Keys shared by all containers of the aws home, derived from MILLRACE_KEY_SECRET. */

import { hkdfSync } from 'node:crypto'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'

const KEY_BYTES = 32

export type KeyPurpose = 'page tokens' | 'local issuer' | 'incidents'

/**
 * 32 bytes for one purpose. A derived key reveals neither the secret nor another key. Throws config_invalid without a
 * secret.
 */
export function deriveKey({ aws: { keySecret } }: Config, purpose: KeyPurpose): Uint8Array {
  if (keySecret === undefined) {
    throw new GatewayError('config_invalid', 'MILLRACE_HOME=aws needs MILLRACE_KEY_SECRET; set it')
  }
  return new Uint8Array(hkdfSync('sha256', keySecret, '', `millrace ${purpose}`, KEY_BYTES))
}
