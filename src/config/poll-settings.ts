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

/** A project of the source, with the name that people know it by. */
export interface PolledProject {
  readonly id: string
  readonly name: string
}

export const POLL_SETTINGS = {
  projects: setting(
    'POLL_PROJECTS',
    projects(),
    [],
    'Cognigy projects to poll, by id, or name=id to give their lines a name; without any, nothing is polled.',
  ),
  // The variable has the name that everybody's Cognigy tools know.
  apiKey: {
    variable: 'COGNIGY_API_KEY',
    kind: { ...optional(text('a key')), isSecret: true },
    default: undefined,
    help: 'API key of Cognigy; when not given, the aws home reads it from the parameter below.',
  },
  apiKeyParameter: setting(
    'POLL_API_KEY_PARAMETER',
    text('the name of a parameter'),
    '/cognigy-mytrial-api-key',
    'SSM parameter (SecureString) that holds the key where COGNIGY_API_KEY is not given.',
  ),
  baseUrl: setting(
    'POLL_BASE_URL',
    text('an https URL (http only for this machine or a host name without dots)', isSourceUrl),
    'https://api-trial.cognigy.ai',
    "Cognigy's API: of the trial, of your company, or of your own installation.",
  ),
  apiVersion: setting('POLL_API_VERSION', choice(['v2.0', 'v2.1']), 'v2.0', "Version of Cognigy's log list."),
  levels: setting(
    'POLL_LEVELS',
    list('levels between commas', (item) => /^(fatal|error|warn|info|debug|trace)$/.test(item)),
    [],
    'Poll only these levels; empty: all.',
  ),
  sinks: setting(
    'POLL_SINKS',
    optional(choices(['cloudwatch', 'store'])),
    undefined,
    'Where polled entries go: CloudWatch Logs, the gateway’s own store, or both; by default the store in the embedded home and CloudWatch in the aws home.',
  ),
  tenant: setting(
    'POLL_TENANT',
    optional(text('a tenant id')),
    undefined,
    'Tenant of polled entries in the store; the default tenant when not given.',
  ),
  logGroup: setting('POLL_LOG_GROUP', text('the name of a log group'), 'cognigy-logs', 'Log group of polled entries.'),
  logStream: setting(
    'POLL_LOG_STREAM',
    text('the name of a log stream'),
    'lambda-poller-stream',
    'Log stream in it; with several projects, each has its own, with -<project id> behind this name.',
  ),
  parameterPrefix: setting(
    'POLL_PARAMETER_PREFIX',
    text('a path that begins and ends with /', (given) => /^\/([A-Za-z0-9_.-]+\/)*$/.test(given)),
    '/',
    'Path of the SSM parameters cognigy-last-ts-ms, cognigy-cursor and cognigy-last-seq-token, where the aws home keeps how far it polled.',
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
    'From one run to the next, where the gateway or the container keeps time.',
  ),
  overlapMs: setting(
    'POLL_OVERLAP',
    duration({ min: 1000, max: 24 * HOUR }),
    5 * MINUTE,
    'How far behind the newest entry each run reads again, for entries that come late.',
  ),
  firstRunMs: setting(
    'POLL_FIRST_RUN',
    duration({ min: 1000 }),
    24 * HOUR,
    'How far back the first run reads; what lies before is not polled.',
  ),
  retentionMs: setting(
    'POLL_RETENTION',
    duration({ min: 10 * MINUTE }),
    24 * HOUR,
    'How long Cognigy keeps its entries: a poller further behind loses some.',
  ),
  runMs: setting(
    'POLL_RUN_TIME',
    duration({ min: 1000, max: HOUR }),
    45_000,
    'Time for one run; the next one goes on where it stopped.',
  ),
  runRequestsMax: setting(
    'POLL_RUN_REQUESTS_MAX',
    integer({ min: 4 }),
    200,
    'Requests of one run over all projects; each gives up to 100 entries.',
  ),
  requestsPerFiveMinutes: setting(
    'POLL_REQUESTS_MAX',
    integer({ min: 5 }),
    1000,
    'Requests within five minutes, over all projects; Cognigy’s limit for one address is 1,000.',
  ),
  timeoutMs: setting('POLL_TIMEOUT', duration({ min: 100, max: 5 * MINUTE }), 10_000, 'Time for one request.'),
  bodyBytesMax: setting(
    'POLL_BODY_BYTES_MAX',
    bytes({ min: 64 * 2 ** 10, max: 256 * MIB }),
    32 * MIB,
    'Largest answer of Cognigy after decompression; a larger page is asked for in smaller parts.',
  ),
} as const

function projects(): Kind<readonly PolledProject[]> {
  return makeKind(
    'ids of 24 lower-case letters and digits, or name=id, between commas, each once',
    (given) => {
      const items = splitList(given).map(parseProject)
      const known = items.filter((item) => item !== undefined)
      const isDistinct = [known.map(({ id }) => id), known.map(({ name }) => name)].every(
        (values) => new Set(values).size === values.length,
      )
      return known.length === items.length && isDistinct ? known : undefined
    },
    (value) => value.map(({ id, name }) => (id === name ? id : `${name}=${id}`)).join(','),
  )
}

function parseProject(item: string): PolledProject | undefined {
  const [, name, id = ''] = /^(?:([^=\s][^=]{0,99})=)?([a-z0-9]{24})$/.exec(item) ?? []
  return id === '' ? undefined : { id, name: name?.trim() ?? id }
}

/** The key goes there: in the clear only where nobody is on the way. */
function isSourceUrl(given: string): boolean {
  const url = URL.parse(given)
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return false
  const isNear = !url.hostname.includes('.') || /^127\./.test(url.hostname)
  return url.protocol === 'https:' || (url.protocol === 'http:' && isNear)
}
