/** The local issuer's key, for the gateway that checks its tokens and the command that makes them. */

import { loadSecret } from '../adapters/embedded/secrets.ts'
import type { Config } from '../config.ts'

const SEED_BYTES = 32

/** The 32 bytes in the data folder, made on first use. Throws config_invalid when they cannot be read. */
export function loadLocalIssuerSeed(config: Config): Uint8Array {
  return loadSecret(config.service.dataDir, 'local-issuer.key', SEED_BYTES)
}
