/** A live feed that one listener hears whole, for all tenants. */

import type { BatchListener, LiveFeed } from '../../ports/log-store.ts'

/** The listener is told of every batch before the tails of its tenant; as theirs, it must not throw. */
export function teeFeed(feed: LiveFeed, listener: BatchListener): LiveFeed {
  return {
    publish: (batch) => {
      listener(batch)
      feed.publish(batch)
    },
    subscribe: (tenant, tail) => feed.subscribe(tenant, tail),
  }
}
