/** What differs between stages: one table, read and reviewed like code. */

const DOORS = ['function-url', 'http-api'] as const
const ARCHIVE_PATHS = ['firehose', 'direct'] as const

export interface StageSettings {
  /** `function-url` costs nothing; `http-api` costs a dollar a million requests and brings throttling and access logs. */
  readonly door: (typeof DOORS)[number]
  /** The HTTP API's limit of requests a second, and of concurrent ones; others get 429. */
  readonly throttle: { readonly rate: number; readonly burst: number }
  /** A name for the HTTP API, such as logs.example.com, with the ARN of its certificate; undefined: AWS's own. */
  readonly domain: { readonly name: string; readonly certificateArn: string } | undefined
  /**
   * Whether the poller reserves its one instance. AWS refuses any reservation that leaves the account fewer than its
   * minimum of unreserved instances, as in new accounts; the poller's lease keeps a second run out all the same.
   */
  readonly reserveConcurrency: boolean
  /**
   * The maximum number of concurrent gateway instances, all reserved; undefined: the account's limit. Limits that
   * an instance enforces apply to each of them.
   */
  readonly gatewayInstances: number | undefined
  /**
   * How pushes reach the archive: through Firehose, or written by the gateway and compacted to Parquet. Firehose, queue and worker exist
   * on both paths, so that their contents are still delivered after a change of the path.
   */
  readonly archivePath: (typeof ARCHIVE_PATHS)[number]
  /** One customer key for everything stored: a dollar a month, and a record of each use. Otherwise AWS's own keys encrypt. */
  readonly customerKey: boolean
  /** Whether the bucket keeps overwritten and deleted objects. */
  readonly versioning: boolean
  /** Days until archived logs are deleted; undefined: never. */
  readonly archiveDays: number | undefined
  /** Days until archived logs move to the storage class for infrequent access; undefined: never. */
  readonly infrequentAccessDays: number | undefined
  /** Days that the functions' own logs are kept. */
  readonly logDays: number
  /** Firehose writes an object when it has this many seconds, or MiB. */
  readonly buffer: { readonly seconds: number; readonly mebibytes: number }
  /** Whether a query sees a push immediately, for about ten cents a gigabyte more. */
  readonly recentItems: boolean
  /** The maximum number of concurrent workers. */
  readonly workers: number
  /** Projects of Cognigy.AI to poll, `name=id`, from COGNIGY_PROJECTS between commas; none: the poller is not deployed. */
  readonly cognigy: { readonly baseUrl: string; readonly projects: readonly string[] }
  /** Log groups whose errors become incidents, beside the poller's and the test emitter's. */
  readonly watchedLogGroups: readonly string[]
  /** The mildest level whose lines raise incidents, of pushes and of watched log groups. */
  readonly incidentLevel: 'warn' | 'error' | 'critical' | 'fatal'
  /**
   * A table of this name gets a row for each line that raised an incident, such as LogIncidents; undefined: no rows. From
   * INCIDENT_TABLE.
   */
  readonly incidentTable: string | undefined
  /** Whether unusual rates of services open incidents. From ANOMALIES. */
  readonly anomalies: boolean
  /** Addresses that the topic mails to; each must confirm once. From ALERT_EMAIL, so that no address is in the repository. */
  readonly alertEmail: string | undefined
  /** Mail address of the first user of the Cognito pool, whose password is generated. */
  readonly firstUser: string
  /** Where the mails of ErrorAlarm go, whose errors are incidents already; undefined: nowhere. From ERROR_ALARM_EMAIL. */
  readonly errorAlarmEmail: string | undefined
  /** Dollars a month at which the budget warns; undefined: no budget. */
  readonly budgetDollars: number | undefined
  /** Milliseconds that 99 of 100 requests must stay under. */
  readonly latencyMs: number
}

type Environment = Readonly<Record<string, string | undefined>>

function development(env: Environment): StageSettings {
  return {
    door: 'function-url',
    throttle: { rate: 100, burst: 200 },
    domain: undefined,
    reserveConcurrency: false,
    gatewayInstances: undefined,
    archivePath: 'firehose',
    customerKey: false,
    versioning: false,
    archiveDays: 7,
    infrequentAccessDays: undefined,
    logDays: 7,
    buffer: { seconds: 60, mebibytes: 5 },
    recentItems: true,
    workers: 2,
    cognigy: { baseUrl: 'https://api-trial.cognigy.ai', projects: listOf(env['COGNIGY_PROJECTS']) },
    watchedLogGroups: [],
    incidentLevel: 'error',
    incidentTable: env['INCIDENT_TABLE'] || undefined,
    anomalies: false,
    alertEmail: env['ALERT_EMAIL'],
    errorAlarmEmail: env['ERROR_ALARM_EMAIL'] || undefined,
    firstUser: env['FIRST_USER'] || 'first-user@example.com',
    budgetDollars: 10,
    latencyMs: 5000,
  }
}

function production(env: Environment): StageSettings {
  return {
    ...development(env),
    door: 'http-api',
    throttle: { rate: 1000, burst: 2000 },
    reserveConcurrency: true,
    archivePath: 'direct',
    customerKey: true,
    versioning: true,
    archiveDays: undefined,
    infrequentAccessDays: 30,
    logDays: 30,
    buffer: { seconds: 300, mebibytes: 64 },
    workers: 10,
    budgetDollars: 100,
    latencyMs: 2000,
  }
}

/** The deployer's options for any stage, from environment variables. */
function chosen(env: Environment): Partial<StageSettings> {
  const { DOOR, ARCHIVE_DAYS: days, CUSTOMER_KEY: key, DOMAIN: name, ANOMALIES: anomalies } = env
  const { DOMAIN_CERTIFICATE: certificateArn, GATEWAY_INSTANCES: instances, ARCHIVE_PATH: path } = env
  const archivePath = ARCHIVE_PATHS.find((each) => each === path)
  if (path && archivePath === undefined) throw new Error(`ARCHIVE_PATH is ${path}; it may be firehose or direct`)
  const door = DOORS.find((each) => each === DOOR)
  if (DOOR && door === undefined) {
    throw new Error(`DOOR is ${DOOR}; it may be function-url or http-api`)
  }
  if (key && key !== 'true' && key !== 'false') throw new Error(`CUSTOMER_KEY is ${key}; it may be true or false`)
  if (anomalies && anomalies !== 'true' && anomalies !== 'false') {
    throw new Error(`ANOMALIES is ${anomalies}; it may be true or false`)
  }
  if (days && days !== 'off' && !/^[1-9]\d{0,4}$/.test(days)) {
    throw new Error(`ARCHIVE_DAYS is ${days}; it may be a number of days, or off to keep logs for ever`)
  }
  if (instances && !/^[1-9]\d{0,4}$/.test(instances)) {
    throw new Error(`GATEWAY_INSTANCES is ${instances}; it may be a whole number above 0`)
  }
  if (name && !certificateArn) {
    throw new Error('DOMAIN needs DOMAIN_CERTIFICATE, the ARN of a certificate of this name in the same region')
  }
  return {
    ...(door !== undefined && { door }),
    ...(archivePath !== undefined && { archivePath }),
    ...(instances && { gatewayInstances: Number(instances) }),
    ...(days && { archiveDays: days === 'off' ? undefined : Number(days) }),
    ...(key && { customerKey: key === 'true' }),
    ...(anomalies && { anomalies: anomalies === 'true' }),
    ...(name && certificateArn && { domain: { name, certificateArn } }),
  }
}

function listOf(text = ''): string[] {
  return text.split(',').filter((item) => item !== '')
}

/** The cost allocation tag of a stage. Its value names one stage of this project: a budget cannot ask for two tags at once. */
export const COST_TAG = 'millrace-stage'

/** Stages whose stack and data a single mistaken command must not remove. */
export function isProtected(stage: string): boolean {
  return stage === 'production'
}

/**
 * The settings of a stage; every stage but `production` is a copy of `dev`. `env` is the environment of the deployment.
 * Throws if a variable has an invalid value.
 */
export function stageSettings(stage: string, env: Environment = process.env): StageSettings {
  const settings = { ...(stage === 'production' ? production(env) : development(env)), ...chosen(env) }
  if (settings.domain !== undefined && settings.door !== 'http-api') {
    throw new Error('DOMAIN needs DOOR=http-api: a function URL takes no name of yours')
  }
  return settings
}
