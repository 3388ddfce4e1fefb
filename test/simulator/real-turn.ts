/** A turn of the real event loop, kept before the machine is replaced: every promise that can settle has settled by then. */

const wait = setImmediate

export function realTurn(): Promise<void> {
  return new Promise((resolve) => wait(resolve))
}
