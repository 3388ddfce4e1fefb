/** Writes messages of the queue as archive objects. */

import type { ArchivePart } from '../../../domain/entries/archive-part.ts'
import { contentHash, objectKey } from '../../../protocol/archive/archive-names.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'

/** Writes parts of one hour as one object. */
export class QueueObjects {
  readonly #bucket: Pick<ArchiveBucket, 'put'>
  readonly #prefix: string

  constructor(bucket: Pick<ArchiveBucket, 'put'>, prefix: string) {
    this.#bucket = bucket
    this.#prefix = prefix
  }

  /**
   * Resolves when S3 has stored the object. Its name is derived from its content, so the same parts in the same order
   * overwrite the same object. Rejects with store_unavailable or overloaded.
   */
  async write(object: { oldest: bigint; newest: bigint; parts: readonly ArchivePart[] }): Promise<void> {
    const content = Buffer.concat(object.parts.map((part) => part.content))
    const key = objectKey(this.#prefix, 'queue', object, contentHash(content))
    await this.#bucket.put(key, content)
  }
}
