/** A turn of the real event loop, saved before the machine is replaced: afterwards every promise that can settle has settled. */

const wait = setImmediate

export function realTurn(): Promise<void> {
  return new Promise((resolve) => wait(resolve))
}
