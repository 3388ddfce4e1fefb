/** What is made when it is first asked for: clients and code that most starts do not need. */

export type Lazy<T> = () => Promise<T>

/** Calls `make` once, at the first use. What failed to be made is tried again at the next. */
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
