/** Lazy initialisation of clients and code that most starts do not need. */

export type Lazy<T> = () => Promise<T>

/** Calls `make` once, on first use. A failure is retried on the next use. */
export function lazy<T>(make: () => Promise<T>): Lazy<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make().catch((cause) => {
      made = undefined
      throw cause
    })
    return made
  }
}
