/** Clients of AWS services: each is loaded on first use and created once, with timeouts and retries. */

import type { DynamoDB } from '@aws-sdk/client-dynamodb'
import type { Firehose } from '@aws-sdk/client-firehose'
import type { S3 } from '@aws-sdk/client-s3'
import type { SQS } from '@aws-sdk/client-sqs'
import type { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import { type Lazy, lazy } from '../kit/lazy.ts'

export interface AwsClients {
  readonly firehose: Lazy<Firehose>
  readonly items: Lazy<DynamoDBDocument>
  readonly queues: Lazy<SQS>
  readonly objects: Lazy<S3>
  /** Closes the connections of all clients. */
  destroy(): void
}

/**
 * A write takes milliseconds: a call without a response by then has most likely lost its connection, and must be retried
 * before the gateway's client gives up.
 */
const TIMEOUTS = { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true }
/** Timeouts for the first byte of an object and for a stalled transfer. */
const OBJECT_TIMEOUTS = {
  connectionTimeout: 2_000,
  requestTimeout: 15_000,
  throwOnRequestTimeout: true,
  socketTimeout: 15_000,
}
/** Reads load several objects at once, in parallel with writes. */
const SOCKETS_MAX = 64
/** Attempts by the SDK, with its own backoff. */
const ATTEMPTS_MAX = 4
/** Firehose and SQS can accept part of a batch: the adapters retry the rest themselves. */
const SINGLE_ATTEMPT = 1

/** The SDK takes region, credentials and endpoints from the environment. */
export function makeAwsClients({ s3PathStyle }: { readonly s3PathStyle: boolean }): AwsClients {
  const clients: { destroy(): void }[] = []
  const keep = <T extends { destroy(): void }>(client: T): T => {
    clients.push(client)
    return client
  }
  const requestHandler = {
    ...TIMEOUTS,
    httpAgent: { maxSockets: SOCKETS_MAX },
    httpsAgent: { maxSockets: SOCKETS_MAX },
  }
  return {
    firehose: lazy(async () => {
      const { Firehose } = await import('@aws-sdk/client-firehose')
      return keep(new Firehose({ maxAttempts: SINGLE_ATTEMPT, requestHandler }))
    }),
    items: lazy(async () => {
      const [{ DynamoDB: Client }, { DynamoDBDocument: Document }] = await Promise.all([
        import('@aws-sdk/client-dynamodb'),
        import('@aws-sdk/lib-dynamodb'),
      ])
      return Document.from(keep<DynamoDB>(new Client({ maxAttempts: ATTEMPTS_MAX, requestHandler })))
    }),
    queues: lazy(async () => {
      const { SQS } = await import('@aws-sdk/client-sqs')
      return keep(new SQS({ maxAttempts: SINGLE_ATTEMPT, requestHandler }))
    }),
    objects: lazy(async () => {
      const { S3 } = await import('@aws-sdk/client-s3')
      const handler = { ...requestHandler, ...OBJECT_TIMEOUTS }
      return keep(new S3({ maxAttempts: ATTEMPTS_MAX, forcePathStyle: s3PathStyle, requestHandler: handler }))
    }),
    destroy: () => {
      for (const client of clients) client.destroy()
    },
  }
}
