/** What differs between stages: one table, read and reviewed like code. */

export interface StageSettings {
  /** `function-url` costs nothing; `http-api` costs a dollar a million requests and brings throttling and access logs. */
  readonly door: 'function-url' | 'http-api'
  /** A name for the HTTP API, such as logs.example.com, with the ARN of its certificate; undefined: AWS's own. */
  readonly domain: { readonly name: string; readonly certificateArn: string } | undefined
  /** One customer key for all that is stored: a dollar a month, and a record of each use. Without it AWS's own keys encrypt. */
  readonly customerKey: boolean
  /** Whether the bucket keeps what was overwritten or deleted. */
  readonly versioning: boolean
  /** Days until archived logs are deleted; undefined: never. */
  readonly archiveDays: number | undefined
  /** Days until archived logs move to the cheaper class for what is seldom read; undefined: never. */
  readonly infrequentAccessDays: number | undefined
  /** Days that the functions' own logs are kept. */
  readonly logDays: number
  /** Firehose writes an object when it has this many seconds, or MiB. */
  readonly buffer: { readonly seconds: number; readonly mebibytes: number }
  /** Whether a query sees a push at once, for about ten cents a gigabyte more. */
  readonly recentItems: boolean
  /** How many workers run at once at most: what the bucket and the bill take. */
  readonly workers: number
  /** Projects of Cognigy.AI to poll, `name=id`, from COGNIGY_PROJECTS between commas; none: the poller is not deployed. */
  readonly cognigy: { readonly baseUrl: string; readonly projects: readonly string[] }
  /** Log groups whose errors become incidents, beside the poller's and the test emitter's. */
  readonly watchedLogGroups: readonly string[]
  /** Where the topic's mails go; each address must confirm once. From ALERT_EMAIL, as addresses are nobody's business. */
  readonly alertEmail: string | undefined
  /** Dollars a month at which the budget warns; undefined: no budget. */
  readonly budgetDollars: number | undefined
  /** Milliseconds that 99 of 100 requests must stay under. */
  readonly latencyMs: number
}

const DEVELOPMENT: StageSettings = {
  door: 'function-url',
  domain: undefined,
  customerKey: false,
  versioning: false,
  archiveDays: 7,
  infrequentAccessDays: undefined,
  logDays: 7,
  buffer: { seconds: 60, mebibytes: 5 },
  recentItems: true,
  workers: 2,
  cognigy: { baseUrl: 'https://api-trial.cognigy.ai', projects: listOf(process.env['COGNIGY_PROJECTS']) },
  watchedLogGroups: [],
  alertEmail: process.env['ALERT_EMAIL'],
  budgetDollars: 10,
  latencyMs: 5000,
}

const PRODUCTION: StageSettings = {
  ...DEVELOPMENT,
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

function listOf(text = ''): string[] {
  return text.split(',').filter((item) => item !== '')
}

/** The cost allocation tag of a stage. Its value names one stage of this project: a budget cannot ask for two tags at once. */
export const COST_TAG = 'millrace-stage'

/** Stages whose stack and data a single mistaken command must not remove. */
export function isProtected(stage: string): boolean {
  return stage === 'production'
}

/** The settings of a stage; every stage but `production` is a copy of `dev`. */
export function stageSettings(stage: string): StageSettings {
  return stage === 'production' ? PRODUCTION : DEVELOPMENT
}
