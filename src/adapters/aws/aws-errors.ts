/** What an SDK call threw, as an error that a client can act on. */

import { GatewayError } from '../../domain/errors.ts'

/**
 * Names under which services say that there is too much at the moment. Firehose says ServiceUnavailableException and
 * S3 SlowDown. See the errors of each service's API reference.
 */
const THROTTLING = new Set([
  'KMSThrottlingException',
  'KmsThrottled',
  'LimitExceededException',
  'OverLimit',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'ServiceUnavailableException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
])

/** The name that the service gave its error, such as `ThrottlingException`; never its text, which may quote data. */
export function errorName(cause: unknown): string {
  const name = cause instanceof Error ? cause.name : ''
  return /^[A-Za-z][A-Za-z0-9.]{0,63}$/.test(name) ? name : 'Error'
}

export function isThrottling(name: string): boolean {
  return THROTTLING.has(name)
}

/** True when the call failed because what it looked for is not there: an object, or a version of it. */
export function isMissing(cause: unknown): boolean {
  const name = errorName(cause)
  return name === 'NoSuchKey' || name === 'NotFound'
}

/**
 * The error for a call that did not do what it should: overloaded when the service asks for less, store_unavailable
 * otherwise. `what` says which service and what for: `Firehose did not take a record`.
 */
export function storeFailure(what: string, cause: unknown): GatewayError {
  return cause instanceof GatewayError ? cause : refusalOf(what, errorName(cause), cause)
}

/** The same for a service that names the error in its answer. */
export function refusalOf(what: string, name: string, cause?: unknown): GatewayError {
  return isThrottling(name)
    ? new GatewayError('overloaded', `${what} (${name}): too much came at once; retry later`, { cause })
    : new GatewayError('store_unavailable', `${what} (${name}); retry later`, { cause })
}

/**
 * Whether the same call may succeed soon: throttling, a fault of the service, or none of its answers (no connection, no
 * time). What the service blames on its caller stays as it is: permissions, names, sizes.
 */
export function isRetryable(cause: unknown): boolean {
  if (cause instanceof GatewayError) return false
  if (isThrottling(errorName(cause))) return true
  // What the SDK adds to its errors; anything may be thrown, so each part may be missing.
  const { $fault, $metadata } = (cause ?? {}) as { $fault?: string; $metadata?: { httpStatusCode?: number } }
  return $fault === 'server' || ($metadata?.httpStatusCode ?? 500) >= 500
}
