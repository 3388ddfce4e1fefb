/** The words that lines, labels and queries of a comparison share, so that queries find something. */

/** Labels of streams beside `app`. */
export const STREAM_NAMES = ['env', 'pod', 'level', 'status', 'job', '_x', 'service_name', 'host'] as const

export const METADATA_NAMES = ['trace', 'status', 'took', 'detected_level', 'app', 'user.id', 'size', '_m'] as const

/** Fields of lines; some clash with labels of streams and metadata, some are no label names. */
export const FIELD_NAMES = [
  ...['level', 'msg', 'status', 'took', 'size', 'user', 'ip', 'n', 'err', 'app', 'trace', 'path', 'v', 'w', 'pod'],
  ...['a-b', 'user.name', '1st', 'é', 'a b', '_x', 'UPPER', 'app_extracted', 'status_extracted'],
] as const

/** Names that queries use: of streams, metadata and fields, as labels are named. */
export const QUERY_NAMES = [
  ...[
    'app',
    'env',
    'pod',
    'level',
    'status',
    'took',
    'size',
    'user',
    'ip',
    'n',
    'err',
    'trace',
    'path',
    'v',
    'w',
    'msg',
  ],
  ...['status', 'took', 'size', 'v', 'n', 'detected_level', 'service_name', 'status_extracted', 'app_extracted'],
  ...['user_name', 'user_id', 'a_b', '_1st', '_x', 'UPPER', 'n_w', 'absent', 'job', 'host', '_m'],
] as const

export const LABEL_VALUES = [
  ...['a', 'b', 'prod', 'dev', 'info', 'error', 'warn', 'INFO', '1', '2', '200', '404', '500', '0.5', '-3', '1e3'],
  ...['5ms', '1.5s', '1h2m', '10KB', '1.5MiB', '512', '10.0.0.1', '10.1.2.3', '::1', 'x y', 'a"b', 'a\\b', 'é', '😀'],
  ...['/api/v1/users', 'GET', 'true', 'NaN', 'Inf', '0x1p3', '1_000', '{"k":1}', 'k=v', 'tab\there', 'a,b', '%20'],
] as const

export const NUMBERS = [
  ...[
    '0',
    '1',
    '2',
    '3',
    '10',
    '200',
    '404',
    '500',
    '0.5',
    '1.5',
    '-1',
    '-0.25',
    '1e3',
    '1.50',
    '100000',
    '0.1',
    '0.2',
  ],
  ...['123456789012345678', '1e-7', '3.14159'],
] as const

export const DURATIONS = ['5ms', '1.5s', '300ms', '1h2m', '0s', '12us', '45ns', '2m', '-3s', '1h', '1000ms'] as const

export const SIZES = ['10KB', '1.5MiB', '512B', '512', '1GB', '2kb', '3 MB', '0B', '10 kib', '1TB'] as const

export const ADDRESSES = ['10.0.0.1', '10.0.0.200', '192.168.4.5', '::1', '2001:db8::68', '256.1.1.1', '1.2.3'] as const

export const WORDS = [
  ...['error', 'timeout', 'GET', 'POST', 'user', 'failed', 'info', 'ok', 'connection', 'refused', 'warn', 'DEBUG'],
  ...[
    'a',
    'b',
    'x=1',
    'é',
    '😀',
    '日本',
    '"q"',
    '\\n',
    '[x]',
    '{}',
    '%',
    '50%',
    'level=error',
    'trace',
    '10.0.0.1',
    '::1',
  ],
] as const
