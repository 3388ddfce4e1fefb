/** Pushes that are rejected completely or partly, each with Loki's error text, and those just within a limit. */

import {
  JSON_TYPE,
  json,
  jsonRow,
  NOW,
  NS,
  ONE,
  ONE_PROTOBUF,
  ofValues,
  PROTOBUF,
  push,
  type Rows,
  stream,
  typed,
} from './push-row.ts'

export const WHOLES: Rows = [
  ['streams without entries', jsonRow(json({ stream: { app: 'a' }, values: [] }), 200, { text: /"count":0/ })],
  ['streams without entries in protobuf', { headers: typed(PROTOBUF), body: push([stream('{app="a"}')]), status: 204 }],
  [
    'no streams',
    jsonRow('{"streams":[]}', 422, { text: 'error at least one valid stream is required for ingestion\n' }),
  ],
  ['no streams key', jsonRow('{}', 422, { text: 'error at least one valid stream is required for ingestion\n' })],
  ['no streams in protobuf', { headers: typed(PROTOBUF), body: push([]), status: 422 }],
  [
    'every line dropped by the operator',
    { ...jsonRow(ONE, 200, { text: /"count":0/ }), env: { MILLRACE_DROP_STREAMS: '{app="a"}' } },
  ],
  [
    'a stream that cannot be read beside one that can',
    {
      headers: typed(PROTOBUF),
      body: push([stream('{app="a', 'lost'), stream('{app="b"}', 'kept')]),
      status: 400,
      text: /^error parsing labels '\{app="a' with error: /,
      lines: ['kept'],
    },
  ],
  [
    'lines refused for one reason each',
    {
      ...jsonRow(ofValues([NS, 'much too long'], [NS, 'fits'], [NS, 'also too long']), 400, {
        text: `max entry size '5' bytes exceeded for stream '{app="a", service_name="a"}' while adding an entry with length '13' bytes\n`,
        lines: ['fits'],
      }),
      env: { MILLRACE_LINE_BYTES_MAX: '5' },
    },
  ],
  [
    'several reasons at once',
    {
      ...jsonRow(ofValues([NS, 'much too long'], ['1', 'old'], [NS, 'fits']), 400, {
        text: /^1 errors like: max entry size .*; 1 errors like: entry for stream .* has timestamp too old/,
        lines: ['fits'],
      }),
      env: { MILLRACE_LINE_BYTES_MAX: '5' },
    },
  ],
  ['a protobuf that is cut short', { headers: typed(PROTOBUF), body: ONE_PROTOBUF.subarray(0, 20), status: 400 }],
]

export const A = `{app="a", service_name="a"}`
export const sixteen = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`l${i}`, 'x']))
export const day = 86_400_000_000_000n

export const VALIDATION: Rows = [
  [
    'a line longer than 256 KiB',
    jsonRow(ofValues([NS, 'x'.repeat(262_145)]), 400, {
      text: `max entry size '262144' bytes exceeded for stream '${A}' while adding an entry with length '262145' bytes\n`,
    }),
  ],
  ['a line of 256 KiB', jsonRow(ofValues([NS, 'x'.repeat(262_144)]), 200, { lines: ['x'.repeat(262_144)] })],
  [
    'a line that is cut where the operator wants it so',
    {
      ...jsonRow(ofValues([NS, 'héllo']), 200, { lines: ['h'] }),
      env: { MILLRACE_LINE_BYTES_MAX: '2', MILLRACE_LINE_TRUNCATED: 'true' },
    },
  ],
  [
    'a line of more than 7 days ago',
    jsonRow(ofValues([String(NOW - 7n * day - 1n), 'old']), 400, {
      text: `entry for stream '${A}' has timestamp too old: 2026-11-14T11:59:59.999999999Z, oldest acceptable timestamp is: 2026-11-14T12:00:00Z\n`,
    }),
  ],
  ['a line of 7 days ago', jsonRow(ofValues([String(NOW - 7n * day), 'old']), 200, { lines: ['old'] })],
  [
    'an old line of a backfill',
    {
      ...jsonRow(ofValues([String(NOW - 10n * day), 'old']), 200, { lines: ['old'] }),
      headers: typed(JSON_TYPE, { 'x-loki-backfill-shard': '1' }),
    },
  ],
  [
    'an entry of protobuf without a time is of 1970',
    {
      headers: typed(PROTOBUF),
      body: push([stream('{app="a"}', { ns: 0n, line: 'x' })]),
      status: 400,
      text: /has timestamp too old: 1970-01-01T00:00:00Z/,
    },
  ],
  [
    'a line of more than 10 minutes ahead',
    jsonRow(ofValues([String(NOW + 600_000_000_001n), 'new']), 400, {
      text: `entry for stream '${A}' has timestamp too new: 2026-11-21T12:10:00.000000001Z\n`,
    }),
  ],
  ['a line of 10 minutes ahead', jsonRow(ofValues([String(NOW + 600_000_000_000n), 'new']), 200, { lines: ['new'] })],
  [
    'more than 15 labels',
    jsonRow(json({ stream: sixteen, values: [[NS, 'x']] }), 400, { text: /has 16 label names; limit 15\n$/ }),
  ],
  [
    '15 labels and service_name',
    jsonRow(json({ stream: { ...sixteen, l0: '', service_name: 's' }, values: [[NS, 'x']] }), 200, { lines: ['x'] }),
  ],
  [
    'a label name longer than 1024 bytes',
    jsonRow(json({ stream: { ['n'.repeat(1025)]: 'v' }, values: [[NS, 'x']] }), 400, {
      text: /^stream '.*' has label name too long: 'n+…'\n$/,
    }),
  ],
  [
    'a label value longer than 2048 bytes',
    jsonRow(json({ stream: { app: 'v'.repeat(2049) }, values: [[NS, 'x']] }), 400, {
      text: /^stream '.*' has label value too long: 'v+…'\n$/,
    }),
  ],
  [
    'a label name that comes twice',
    {
      headers: typed(PROTOBUF),
      body: push([stream('{app="a", app="b"}', 'x')]),
      status: 400,
      text: /^stream '.*' has duplicate label name: 'app'\n$/,
    },
  ],
  [
    'no labels where no service_name is made',
    {
      ...jsonRow(json({ stream: {}, values: [[NS, 'x']] }), 400, {
        text: 'error at least one label pair is required per stream\n',
      }),
      env: { MILLRACE_DISCOVER_SERVICE_NAME: 'false' },
    },
  ],
  [
    'invalid label text',
    {
      headers: typed(PROTOBUF),
      body: push([stream('app=a', 'x')]),
      status: 400,
      text: /^error parsing labels 'app=a' with error: /,
    },
  ],
  [
    'structured metadata where it is disallowed',
    {
      ...jsonRow(ofValues([NS, 'x', { a: 'b' }]), 400, {
        text: /^stream '.*' includes structured metadata, but this feature is disallowed\. /,
      }),
      env: { MILLRACE_METADATA_ALLOWED: 'false' },
    },
  ],
  [
    'structured metadata of more than 64 KiB',
    jsonRow(ofValues([NS, 'x', { a: 'b'.repeat(65_536) }]), 400, {
      text: /^stream '.*' has structured metadata too large: '65537' bytes, limit: '65536' bytes\. /,
    }),
  ],
  [
    'more than 128 pairs of structured metadata',
    jsonRow(ofValues([NS, 'x', Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`k${i}`, 'v']))]), 400, {
      text: /^stream '.*' has too many structured metadata labels: '129', limit: '128'\. /,
    }),
  ],
  [
    'labels that the operator wants are missing',
    {
      ...jsonRow(ONE, 400, { text: `missing required labels 'team' for user 'fake' for stream '${A}' (policy: '')\n` }),
      env: { MILLRACE_LABELS_REQUIRED: 'app,team' },
    },
  ],
  [
    "the tenant's rate is used up: nothing is stored",
    {
      ...jsonRow(ofValues([NS, 'x'.repeat(60)], [NS, 'y'.repeat(60)]), 429, {
        text: /^ingestion rate limit exceeded for user fake \(limit: 10 bytes\/sec\) while attempting to ingest '2' lines totaling '120' bytes, /,
      }),
      env: { MILLRACE_TENANT_RATE: '10:100' },
    },
  ],
  [
    "a stream's rate is used up: what fits is stored",
    {
      ...jsonRow(ofValues([NS, 'fits'], [NS, 'x'.repeat(100)]), 429, {
        text: /^1 errors like: entry with timestamp 2026-11-21T12:00:00Z ignored, reason: 'Per stream rate limit exceeded \(limit: 10B\/sec\) .*'; 1 errors like: user 'fake', total ignored: 1 out of 2 for stream: \{app="a"/,
        lines: ['fits'],
      }),
      env: { MILLRACE_STREAM_RATE: '10:50' },
    },
  ],
  [
    'too many active streams: the known ones are stored',
    {
      ...jsonRow(
        json({ stream: { app: 'a' }, values: [[NS, 'one']] }, { stream: { app: 'b' }, values: [[NS, 'two']] }),
        429,
        {
          text: /^maximum active stream limit exceeded when trying to create stream \{app="b", .*, user: 'fake'\n$/,
          lines: ['one'],
        },
      ),
      env: { MILLRACE_ACTIVE_STREAMS_MAX: '1' },
    },
  ],
  [
    'a line far behind its stream is taken: there is no window',
    jsonRow(ofValues([NS, 'new'], [String(NOW - 3n * 3_600_000_000_000n), 'old']), 200, { lines: ['old', 'new'] }),
  ],
  [
    'pushes are blocked by the operator',
    {
      ...jsonRow(ONE, 260, {
        text: `ingestion blocked for user 'fake' until '2026-12-01T00:00:00.000Z' with status code '260'\n`,
      }),
      env: { MILLRACE_INGESTION_BLOCKED_UNTIL: '2026-12-01T00:00:00Z' },
    },
  ],
]
