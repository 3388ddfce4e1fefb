/** Settings of the poller and its sources. */

export const POLL_SETTINGS = {} as const
