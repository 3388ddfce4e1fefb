/** A compactor that is killed at one of its steps. */

import type { CompactionWork } from '../../src/flows/archive/compact-archive.ts'

export class Killed extends Error {}

/** The work, killed at its call number `at`: before or after that took effect. `step` is awaited before each call. */
export function killable(
  work: CompactionWork,
  at: number,
  isDone: boolean,
  step: () => Promise<void> = async () => undefined,
): { work: CompactionWork; counted: { calls: number } } {
  const counted = { calls: 0 }
  const around = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name)
        if (typeof member !== 'function') return member
        return async (...args: unknown[]) => {
          // Once dead it does nothing more; local files are no part of the archive.
          if (counted.calls >= at) throw new Killed()
          counted.calls++
          await step()
          if (counted.calls === at && !isDone) throw new Killed()
          const result: unknown = await Reflect.apply(member, object, args)
          if (counted.calls === at) throw new Killed()
          return result
        }
      },
    })
  const { manifest, arrivals, builder, objects } = work
  const parts = {
    manifest: around(manifest),
    arrivals: around(arrivals),
    builder: around(builder),
    objects: around(objects),
  }
  return { work: { ...work, ...parts }, counted }
}
