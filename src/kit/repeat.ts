/** Work that is repeated: the timer is an argument, so that a test needs none. */

/** Calls `run` every `ms` until the returned function is called. It keeps no process alive. */
export type Repeat = (run: () => void, ms: number) => () => void

/** For tests, and for what is only used for a moment. */
export const NEVER: Repeat = () => () => undefined
