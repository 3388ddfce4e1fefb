/** The thread shared by requests and queries: Node's clock and event loop. */

import type { EventLoop } from '../../flows/query/query-turns.ts'

export const THREAD: EventLoop = {
  nowMs: () => performance.now(),
  afterOthers: (run) => {
    setImmediate(run)
  },
}
