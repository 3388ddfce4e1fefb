/** Requests that are rejected: a gateway and a Loki get the same ones, and their statuses and texts are compared. */

import { gzipSync } from 'node:zlib'
import type { Peer } from '../../differential/peer.ts'

export interface Rejection {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export interface RejectionResult {
  readonly name: string
  readonly left: string
  readonly right: string
  readonly isSameStatus: boolean
  readonly isSameText: boolean
}

const JSON_TYPE = { 'content-type': 'application/json' }

/** A push under the name, at the time `nowNs`. */
function push(name: string, stream: unknown, values: unknown, headers: Rejection['headers'] = JSON_TYPE): Rejection {
  return raw(name, JSON.stringify({ streams: [{ stream, values }] }), headers)
}

function raw(
  name: string,
  body: string | Buffer,
  headers: Rejection['headers'] = JSON_TYPE,
  path = '/loki/api/v1/push',
): Rejection {
  return { name, method: 'POST', path, headers, body }
}

function query(path: string, params: Readonly<Record<string, string>>): Rejection {
  const text = new URLSearchParams(params)
  return {
    name: `${path} ${decodeURIComponent(String(text))}`,
    method: 'GET',
    path: `/loki/api/v1/${path}?${text}`,
    headers: {},
  }
}

/** All rejections that the documentation of the protocol names, as far as a client can cause them. */
export function makeRejections(nowNs: bigint): Rejection[] {
  const now = String(nowNs)
  const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, 'x']))
  const otlp = (name: string, body: string, headers: Rejection['headers'] = JSON_TYPE) =>
    raw(name, body, headers, '/otlp/v1/logs')
  const legacy = (name: string, body: string) => raw(name, body, JSON_TYPE, '/api/prom/push')
  return [
    raw('no JSON', '{'),
    raw('JSON of another kind', '[]'),
    raw('an empty body', ''),
    raw('no streams', '{"streams":[]}'),
    raw('other keys', '{"strooms":[]}'),
    raw('no content type', '{"streams":[]}', { 'content-type': '' }),
    raw('a broken content type', '{"streams":[]}', { 'content-type': 'application/json; charsetutf-8' }),
    raw('another content type', '{"streams":[]}', { 'content-type': 'text/plain' }),
    raw('no protobuf', 'xxxx', { 'content-type': 'application/x-protobuf' }),
    raw('brotli', '{}', { ...JSON_TYPE, 'content-encoding': 'br' }),
    raw('no gzip', '{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }),
    raw('gzip cut off', gzipSync('{"streams":[]}').subarray(0, 20), { ...JSON_TYPE, 'content-encoding': 'gzip' }),
    push('a time that is a number', { app: 'a' }, [[Number(nowNs / 1_000_000n), 'x']]),
    push('a time in RFC 3339', { app: 'a' }, [['2026-11-29T00:00:00Z', 'x']]),
    push('a line that is a number', { app: 'a' }, [[now, 1]]),
    push('metadata that is a list', { app: 'a' }, [[now, 'x', []]]),
    push('a stream without labels', undefined, [[now, 'x']]),
    push('a line from the future', { app: 'a' }, [[String(nowNs + 3_600_000_000_000n), 'x']]),
    push('16 labels', labels(16), [[now, 'x']]),
    push('a long label name', { ['a'.repeat(1025)]: 'x' }, [[now, 'x']]),
    push('a long label value', { app: 'x'.repeat(2049) }, [[now, 'x']]),
    push('an invalid label name', { 'a-b': 'x' }, [[now, 'x']]),
    push('a long line', { app: 'a' }, [[now, 'x'.repeat(262_145)]]),
    push('129 metadata entries', { app: 'a' }, [[now, 'x', labels(129)]]),
    push('64 KiB of metadata', { app: 'a' }, [[now, 'x', { a: 'x'.repeat(65_536) }]]),
    { ...push('two tenants', { app: 'a' }, [[now, 'x']]), headers: { ...JSON_TYPE, 'x-scope-orgid': 'a|b' } },
    { ...push('an invalid tenant', { app: 'a' }, [[now, 'x']]), headers: { ...JSON_TYPE, 'x-scope-orgid': 'a/b' } },
    legacy('before version 1: labels that are none', '{"streams":[{"labels":"{a","entries":[]}]}'),
    legacy('before version 1: no JSON', '{'),
    otlp('OTLP: no JSON', '{'),
    otlp('OTLP: no protobuf', 'xxxx', { 'content-type': 'application/x-protobuf' }),
    otlp('OTLP: another content type', '{}', { 'content-type': 'text/plain' }),
    otlp('OTLP: another encoding', '{}', { ...JSON_TYPE, 'content-encoding': 'br' }),
    ...[
      '{}',
      '{a=~".*"}',
      '{a="b"',
      '{a="b"} |',
      'rate({a="b"})',
      '{a="b"} | json [',
      'sum(',
      '{a="b"} | logfmt | x >',
      '{a="b"} |~ "("',
    ].map((text) => query('query_range', { query: text })),
    query('query', { query: '{a="b"}' }),
    query('query_range', { query: '{a="b"}', start: '20', end: '10' }),
    ...['0', '-1', 'x', '6000'].map((limit) => query('query_range', { query: '{a="b"}', limit })),
    ...['0', '-1', 'x'].map((step) => query('query_range', { query: 'rate({a="b"}[1m])', step })),
    query('query_range', { query: 'rate({a="b"}[1m])', start: '1795978791', end: '1795998791', step: '1' }),
    query('query_range', { query: '{a="b"}', interval: '-1' }),
    query('query_range', { query: '{a="b"}', direction: 'up' }),
    ...['start', 'end', 'since'].map((name) => query('query_range', { query: '{a="b"}', [name]: 'x' })),
    query('query_range', { query: '{a="b"}', since: '1000h' }),
    query('query', { query: 'vector(1)', time: 'x' }),
    query('labels', { query: '{}' }),
    query('labels', { query: '{a="b"' }),
    query('labels', { start: '20', end: '10' }),
    query('label/a/values', { query: '{a="b"' }),
    query('series', { 'match[]': '{a="b"' }),
    query('series', { 'match[]': '{a="b"} |= "x"' }),
    query('index/stats', { query: '{a="b"' }),
    query('index/volume', { query: '{a="b"' }),
    query('index/volume', { query: '{a="b"}', aggregateBy: 'x' }),
    query('index/volume_range', { query: '{a="b"' }),
    query('index/shards', { query: '{a="b"}' }),
    query('detected_fields', { query: '{a="b"' }),
    query('detected_labels', { query: '{a="b"' }),
    query('patterns', { query: '{a="b"' }),
    query('format_query', { query: '{a="b"' }),
    query('tail', { query: '{a="b"' }),
    query('tail', { query: 'rate({a="b"}[1m])' }),
    query('nothing', {}),
  ]
}

/** Texts are compared without the white space at their ends and without the times and sizes of this run. */
export async function compareRejections(
  left: Peer,
  right: Peer,
  tenant: string,
  nowNs: bigint,
): Promise<RejectionResult[]> {
  const results: RejectionResult[] = []
  for (const { name, method, path, headers, body } of makeRejections(nowNs)) {
    const ask = (peer: Peer) => peer.send(method, path, headers['x-scope-orgid'] ?? tenant, headers, body)
    const [a, b] = await Promise.all([ask(left), ask(right)])
    results.push({
      name: name.slice(0, 120),
      left: `${a.status} ${a.body.trim()}`,
      right: `${b.status} ${b.body.trim()}`,
      isSameStatus: a.status === b.status,
      isSameText: a.body.trim() === b.body.trim(),
    })
  }
  return results
}
