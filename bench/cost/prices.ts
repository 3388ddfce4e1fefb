/** What AWS asks, as lists: us-east-1, dollars, read on the date below from the sources that docs/cost.md names. */

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
  /** HTTP API, where it is the door: a request of up to 512 KB. */
  httpApiRequest: 1e-6,
  cloudwatchGigabyte: 0.5,
} as const

/** The memory that infra/ gives the functions, in GB, and the share of a processor that comes with it: 1,769 MB are one. */
export const GATEWAY_GIGABYTES = 1
export const WORKER_GIGABYTES = 0.5
export const PROCESSORS_PER_GIGABYTE = 1024 / 1769

/** What an invocation waits for services to answer, in seconds: assumed, as the doubles answer at once. */
export const WAIT_SECONDS = 0.015
