/** Clients of AWS services: each loaded at its first use, made once, with time-outs and tries. */

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
  /** Closes the connections of those that were made. */
  destroy(): void
}

/**
 * A write takes milliseconds: a call that has no answer by then has most likely lost its connection, and its next try
 * must still come before the client of the gateway gives up.
 */
const TIMEOUTS = { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true }
/** The first byte of an object, and the longest silence between two. */
const OBJECT_TIMEOUTS = {
  connectionTimeout: 2_000,
  requestTimeout: 15_000,
  throwOnRequestTimeout: true,
  socketTimeout: 15_000,
}
/** Reads load several objects at once, beside the writes. */
const SOCKETS_MAX = 64
/** Tries of the SDK, with waits of its own between them. */
const ATTEMPTS_MAX = 4
/** Firehose and SQS take parts of a call: the adapters try again themselves, part by part. */
const SINGLE_ATTEMPT = 1

/** Region, credentials and endpoints are what the SDK finds in the environment. */
export function makeAwsClients({ s3PathStyle }: { readonly s3PathStyle: boolean }): AwsClients {
  const made: { destroy(): void }[] = []
  const keep = <T extends { destroy(): void }>(client: T): T => {
    made.push(client)
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
      for (const client of made) client.destroy()
    },
  }
}
