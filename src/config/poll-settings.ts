/** Settings of the poller and its sources. */

import {
  bytes,
  choice,
  choices,
  duration,
  integer,
  type Kind,
  list,
  makeKind,
  optional,
  splitList,
  text,
} from './kinds.ts'
import { setting } from './setting.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const MIB = 2 ** 20

/** A project of the source, with its display name. */
export interface PolledProject {
  readonly id: string
  readonly name: string
}

export const POLL_SETTINGS = {
  projects: setting(
    'POLL_PROJECTS',
    projects(),
    [],
    'Cognigy projects to poll: id, or name=id to label their lines with a name. If empty, nothing is polled.',
  ),
  // The usual name of this variable among Cognigy tools.
  apiKey: {
    variable: 'COGNIGY_API_KEY',
    kind: { ...optional(text('a key')), isSecret: true },
    default: undefined,
    help: 'Cognigy API key; if not set, the aws home reads it from MILLRACE_POLL_API_KEY_PARAMETER.',
  },
  apiKeyParameter: setting(
    'POLL_API_KEY_PARAMETER',
    text('the name of a parameter'),
    '/cognigy-mytrial-api-key',
    'SSM parameter (SecureString) with the API key, used if COGNIGY_API_KEY is not set.',
  ),
  baseUrl: setting(
    'POLL_BASE_URL',
    text('an https URL (http only for this machine or a host name without dots)', isSourceUrl),
    'https://api-trial.cognigy.ai',
    'URL of the Cognigy API: the trial, your company, or your own installation.',
  ),
  apiVersion: setting('POLL_API_VERSION', choice(['v2.0', 'v2.1']), 'v2.0', "Version of Cognigy's log API."),
  levels: setting(
    'POLL_LEVELS',
    list('comma-separated levels', (item) => /^(fatal|error|warn|info|debug|trace)$/.test(item)),
    [],
    'Poll only these levels; if empty, all.',
  ),
  sinks: setting(
    'POLL_SINKS',
    optional(choices(['cloudwatch', 'store'])),
    undefined,
    "Destination of polled entries: CloudWatch Logs, the gateway's own store, or both. Default: the store in the embedded home, CloudWatch in the aws home.",
  ),
  tenant: setting(
    'POLL_TENANT',
    optional(text('a tenant id')),
    undefined,
    'Tenant of polled entries in the store; if not set, the default tenant.',
  ),
  logGroup: setting('POLL_LOG_GROUP', text('the name of a log group'), 'cognigy-logs', 'Log group of polled entries.'),
  logStream: setting(
    'POLL_LOG_STREAM',
    text('the name of a log stream'),
    'lambda-poller-stream',
    'Log stream of polled entries. With several projects each has its own stream: this name followed by -<project id>.',
  ),
  parameterPrefix: setting(
    'POLL_PARAMETER_PREFIX',
    text('a path that starts and ends with /', (text) => /^\/([A-Za-z0-9_.-]+\/)*$/.test(text)),
    '/',
    'Path of the SSM parameters cognigy-last-ts-ms, cognigy-cursor and cognigy-last-seq-token, in which the aws home keeps its cursor.',
  ),
  awsRegion: {
    variable: 'AWS_REGION',
    kind: text('an AWS region'),
    default: 'eu-central-1',
    help: 'Region of SSM and CloudWatch Logs for the poller.',
  },
  intervalMs: setting(
    'POLL_INTERVAL',
    duration({ min: 1000, max: 24 * HOUR }),
    MINUTE,
    'Time between runs, if the gateway or the container schedules them.',
  ),
  overlapMs: setting(
    'POLL_OVERLAP',
    duration({ min: 1000, max: 24 * HOUR }),
    5 * MINUTE,
    'How far before the newest entry each run reads again, to catch late entries.',
  ),
  firstRunMs: setting(
    'POLL_FIRST_RUN',
    duration({ min: 1000 }),
    24 * HOUR,
    'How far back the first run reads; older entries are not polled.',
  ),
  retentionMs: setting(
    'POLL_RETENTION',
    duration({ min: 10 * MINUTE }),
    24 * HOUR,
    'How long Cognigy keeps entries; a poller that is further behind loses some.',
  ),
  runMs: setting(
    'POLL_RUN_TIME',
    duration({ min: 1000, max: HOUR }),
    45_000,
    'Maximum duration of a run; the next run continues where it stopped.',
  ),
  runRequestsMax: setting(
    'POLL_RUN_REQUESTS_MAX',
    integer({ min: 4 }),
    200,
    'Maximum number of requests per run over all projects; each returns up to 100 entries.',
  ),
  requestsPerFiveMinutes: setting(
    'POLL_REQUESTS_MAX',
    integer({ min: 5 }),
    1000,
    "Maximum number of requests in five minutes over all projects; Cognigy's limit per address is 1,000.",
  ),
  timeoutMs: setting('POLL_TIMEOUT', duration({ min: 100, max: 5 * MINUTE }), 10_000, 'Timeout of one request.'),
  bodyBytesMax: setting(
    'POLL_BODY_BYTES_MAX',
    bytes({ min: 64 * 2 ** 10, max: 256 * MIB }),
    32 * MIB,
    'Largest response from Cognigy after decompression; a larger page is requested in smaller parts.',
  ),
} as const

function projects(): Kind<readonly PolledProject[]> {
  return makeKind(
    'comma-separated ids of 24 lower-case letters and digits, or name=id, without repeats',
    (text) => {
      const items = splitList(text).map(parseProject)
      const valid = items.filter((item) => item !== undefined)
      const isDistinct = [valid.map(({ id }) => id), valid.map(({ name }) => name)].every(
        (values) => new Set(values).size === values.length,
      )
      return valid.length === items.length && isDistinct ? valid : undefined
    },
    (value) => value.map(({ id, name }) => (id === name ? id : `${name}=${id}`)).join(','),
  )
}

function parseProject(item: string): PolledProject | undefined {
  const [, name, id = ''] = /^(?:([^=\s][^=]{0,99})=)?([a-z0-9]{24})$/.exec(item) ?? []
  return id === '' ? undefined : { id, name: name?.trim() ?? id }
}

/** The API key is sent there: plain http is allowed only for this machine and local networks. */
function isSourceUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return false
  const isLocal = !url.hostname.includes('.') || /^127\./.test(url.hostname)
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)
}
