/** The configured home. Only the code of that home is loaded, because the packages are large and differ. */

import type { Config } from '../config/read-config.ts'
import type { Clock } from '../ports/log-store.ts'
import type { AwsEvents, AwsHome } from './aws-home.ts'
import type { EmbeddedHome, openEmbedded } from './embedded-home.ts'

/** Ports, keys and a function that closes them. */
export type Home = AwsHome | EmbeddedHome

/** Events that a home reports while it is open. */
export type HomeEvents = Parameters<typeof openEmbedded>[2] & AwsEvents

/** Opens the home. Throws like openAws and openEmbedded. */
export async function openHome(config: Config, clock: Clock, events: HomeEvents): Promise<Home> {
  if (config.service.home === 'aws') {
    const { openAws } = await import('./aws-home.ts')
    return openAws(config, clock, events)
  }
  const { openEmbedded } = await import('./embedded-home.ts')
  return openEmbedded(config, clock, events)
}
