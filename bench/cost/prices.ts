/** AWS list prices: us-east-1, dollars, collected on the date below from the sources that docs/cost.md names. */

export const PRICES_OF = '2026-11-21'

export const PRICES = {
  /** A GB of records, each rounded up to 5 KB; the first 500 TB. */
  firehoseGigabyte: 0.029,
  /** A request of up to 64 KB of payload; larger ones count once for each 64 KB. */
  sqsRequest: 0.4e-6,
  /** On demand: a write of up to 1 KB, a strongly consistent read of up to 4 KB. */
  dynamodbWriteUnit: 0.625e-6,
  dynamodbReadUnit: 0.125e-6,
  s3Put: 5e-6,
  s3Get: 0.4e-6,
  lambdaRequest: 0.2e-6,
  /** A second of a function with 1 GB, on arm64. */
  lambdaGigabyteSecond: 0.0000133334,
  /** HTTP API, if used: a request of up to 512 KB. */
  httpApiRequest: 1e-6,
  cloudwatchGigabyte: 0.5,
} as const

/** The functions' memory in infra/, in GB, and their share of a processor: 1,769 MB is one. */
export const GATEWAY_GIGABYTES = 1
export const WORKER_GIGABYTES = 0.5
export const PROCESSORS_PER_GIGABYTE = 1024 / 1769

/** How long an invocation waits for services, in seconds: an assumption, because the doubles respond immediately. */
export const WAIT_SECONDS = 0.015
