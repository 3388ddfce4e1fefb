/** The home that the settings name. Each is loaded only where it is used: their packages are heavy, and differ. */

import type { Config } from '../config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Clock } from '../ports.ts'
import type { EmbeddedHome, openEmbedded } from './embedded.ts'

/** Ports and keys, and what lets go of them. */
export type Home = EmbeddedHome

/** What a home reports while it is open. */
export type HomeEvents = Parameters<typeof openEmbedded>[2]

/** Opens the home. Throws what openEmbedded throws, and config_invalid for settings that the home cannot work with. */
export async function openHome(config: Config, clock: Clock, events: HomeEvents): Promise<Home> {
  if (config.service.home === 'aws') {
    throw new GatewayError('config_invalid', 'MILLRACE_HOME=aws is not built yet; leave it out for the embedded home')
  }
  const { openEmbedded } = await import('./embedded.ts')
  return openEmbedded(config, clock, events)
}
