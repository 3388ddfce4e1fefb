/**
 * Lines as requests of the bulk API of OpenSearch and Elasticsearch: an action and a document, a line each. Form:
 * https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
 */

import { createHash } from 'node:crypto'
import { formatRfc3339 } from '../../domain/time.ts'
import { formatLabelObject } from '../../protocol/loki/loki-result.ts'
import type { ShownEntry } from '../client-answer.ts'

/** Characters of an id: 160 bits, so that equal ones are equal documents. */
const ID_LENGTH = 27

/**
 * The index is that of the day in UTC. The id is made of what makes an entry: a copy that is repeated writes the same
 * documents, since the action `index` overwrites a document of the same id. `level` is empty if there is none.
 */
export function formatBulk(entry: ShownEntry, level: string): string {
  const { ns, labels, line, metadata } = entry
  const time = formatRfc3339(ns)
  const action = { index: { _index: `millrace-${time.slice(0, 10).replaceAll('-', '.')}`, _id: idOf(entry) } }
  // By hand, because label names come from clients and must not become keys of an object.
  const parts = [
    `"@timestamp":"${time}"`,
    `"timestamp_ns":"${ns}"`,
    `"message":${JSON.stringify(line)}`,
    ...(level === '' ? [] : [`"level":"${level}"`]),
    `"labels":${formatLabelObject(labels)}`,
    `"metadata":${formatLabelObject(metadata)}`,
  ]
  return `${JSON.stringify(action)}\n{${parts.join(',')}}\n`
}

function idOf({ ns, stream, line, metadata }: ShownEntry): string {
  const content = JSON.stringify([String(ns), stream, line, metadata])
  return createHash('sha256').update(content).digest('base64url').slice(0, ID_LENGTH)
}
