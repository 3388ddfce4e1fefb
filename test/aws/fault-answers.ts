/** Throttling and internal errors in each service's own format: JSON, query XML, REST XML. */

import type { ServiceName } from './endpoints.ts'
import type { Call } from './fault-plan.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

interface Failure {
  readonly status: number
  readonly code: string
  readonly message: string
}

const THROTTLES: Readonly<Record<ServiceName, Failure>> = {
  s3: { status: 503, code: 'SlowDown', message: 'Please reduce your request rate.' },
  sqs: { status: 400, code: 'RequestThrottled', message: 'The request was denied due to request throttling.' },
  sns: { status: 400, code: 'Throttling', message: 'Rate exceeded' },
  dynamodb: {
    status: 400,
    code: 'ProvisionedThroughputExceededException',
    message: 'The level of configured provisioned throughput for the table was exceeded.',
  },
  firehose: { status: 503, code: 'ServiceUnavailableException', message: 'Slow down.' },
  ssm: { status: 400, code: 'ThrottlingException', message: 'Rate exceeded' },
  logs: { status: 400, code: 'ThrottlingException', message: 'Rate exceeded' },
}

const SERVER_ERRORS: Readonly<Record<ServiceName, Failure>> = {
  s3: { status: 500, code: 'InternalError', message: 'We encountered an internal error. Please try again.' },
  sqs: { status: 500, code: 'InternalFailure', message: 'The request processing has failed.' },
  sns: { status: 500, code: 'InternalFailure', message: 'The request processing has failed.' },
  dynamodb: { status: 500, code: 'InternalServerError', message: 'The request processing has failed.' },
  firehose: { status: 500, code: 'InternalFailure', message: 'The request processing has failed.' },
  ssm: { status: 500, code: 'InternalServerError', message: 'An error occurred on the server side.' },
  logs: { status: 503, code: 'ServiceUnavailableException', message: 'The service cannot complete the request.' },
}

export function throttleAnswer(call: Call): Answer {
  return answerOf(call.service, THROTTLES[call.service])
}

export function serverErrorAnswer(call: Call): Answer {
  return answerOf(call.service, SERVER_ERRORS[call.service])
}

export function jsonAnswer(service: ServiceName, body: object, status = 200, headers = {}): Answer {
  const version = service === 'sqs' || service === 'dynamodb' ? '1.0' : '1.1'
  return {
    status,
    headers: { 'content-type': `application/x-amz-json-${version}`, ...headers },
    body: Buffer.from(JSON.stringify(body)),
  }
}

function answerOf(service: ServiceName, { status, code, message }: Failure): Answer {
  const error = `<Code>${code}</Code><Message>${message}</Message>`
  if (service === 's3') return xmlAnswer(status, `<Error>${error}<RequestId>fault</RequestId></Error>`)
  if (service === 'sns') {
    const type = `<Type>${status < 500 ? 'Sender' : 'Receiver'}</Type>`
    const namespace = 'http://sns.amazonaws.com/doc/2010-03-31/'
    const text = `<ErrorResponse xmlns="${namespace}"><Error>${type}${error}</Error><RequestId>fault</RequestId></ErrorResponse>`
    return xmlAnswer(status, text)
  }
  // SQS used query XML in the past, and still returns its error code in a header.
  const side = status < 500 ? 'Sender' : 'Receiver'
  const headers = service === 'sqs' ? { 'x-amzn-query-error': `${code};${side}` } : {}
  return jsonAnswer(service, { __type: `${namespaceOf(service)}${code}`, message }, status, headers)
}

function namespaceOf(service: ServiceName): string {
  if (service === 'dynamodb') return 'com.amazonaws.dynamodb.v20120810#'
  return service === 'sqs' ? 'com.amazonaws.sqs#' : ''
}

function xmlAnswer(status: number, text: string): Answer {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`)
  return { status, headers: { 'content-type': 'application/xml' }, body }
}
