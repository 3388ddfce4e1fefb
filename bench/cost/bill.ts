/** Converts counted units to dollars per gigabyte of lines. */

import type { Units } from './meter.ts'
import { GATEWAY_GIGABYTES, PRICES, PROCESSORS_PER_GIGABYTE, WAIT_SECONDS, WORKER_GIGABYTES } from './prices.ts'

export interface Usage {
  readonly units: Units
  readonly lineBytes: number
  readonly requests: number
  /** CPU seconds of all requests. */
  readonly gatewaySeconds: number
  readonly worker: { readonly invocations: number; readonly cpuSeconds: number }
}

/** Dollars for 2^30 bytes of lines. */
export interface Bill {
  readonly requests: number
  readonly lambda: number
  readonly firehose: number
  readonly sqs: number
  readonly dynamodb: number
  readonly s3: number
  readonly total: number
  /** The additional cost of an HTTP API. */
  readonly httpApi: number
}

const GIB = 2 ** 30

export function bill({ units, lineBytes, requests, gatewaySeconds, worker }: Usage): Bill {
  const times = GIB / lineBytes
  const lambda =
    functionDollars(requests, gatewaySeconds, GATEWAY_GIGABYTES) +
    functionDollars(worker.invocations, worker.cpuSeconds, WORKER_GIGABYTES)
  const parts = {
    lambda: times * lambda,
    firehose: (times * units.firehoseBytes * PRICES.firehoseGigabyte) / GIB,
    sqs: times * units.sqsRequests * PRICES.sqsRequest,
    dynamodb: times * (units.writeUnits * PRICES.dynamodbWriteUnit + units.readUnits * PRICES.dynamodbReadUnit),
    s3: times * (units.puts * PRICES.s3Put + units.gets * PRICES.s3Get),
  }
  const total = Object.values(parts).reduce((sum, dollars) => sum + dollars, 0)
  return { requests: times * requests, ...parts, total, httpApi: times * requests * PRICES.httpApiRequest }
}

/** A function is billed by duration: its CPU time at its share of a processor, plus its waiting. */
function functionDollars(invocations: number, cpuSeconds: number, gigabytes: number): number {
  const seconds = cpuSeconds / (gigabytes * PROCESSORS_PER_GIGABYTE) + invocations * WAIT_SECONDS
  return invocations * PRICES.lambdaRequest + seconds * gigabytes * PRICES.lambdaGigabyteSecond
}

const COLUMNS = ['Lambda', 'Firehose', 'SQS', 'DynamoDB', 'S3'] as const

export const HEAD = `${'sent'.padEnd(28)}${'requests/GB'.padStart(12)}${COLUMNS.map((name) => name.padStart(10)).join('')}${'total'.padStart(10)}${'+HTTP API'.padStart(11)}`

export function formatBill(
  name: string,
  { requests, lambda, firehose, sqs, dynamodb, s3, total, httpApi }: Bill,
): string {
  const dollars = [lambda, firehose, sqs, dynamodb, s3, total].map((value) => value.toFixed(4).padStart(10)).join('')
  return `${name.padEnd(28)}${String(Math.round(requests)).padStart(12)}${dollars}${httpApi.toFixed(4).padStart(11)}`
}
