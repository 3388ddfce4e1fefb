/** Converts errors of SDK calls to errors that a client can act on. */

import { GatewayError } from '../../domain/errors.ts'

/**
 * Error names for throttling. Firehose uses ServiceUnavailableException and S3 SlowDown. See the errors in the API
 * reference of each service.
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

/** The error name of the service, such as `ThrottlingException`; never its message, which may quote data. */
export function errorName(cause: unknown): string {
  const name = cause instanceof Error ? cause.name : ''
  return /^[A-Za-z][A-Za-z0-9.]{0,63}$/.test(name) ? name : 'Error'
}

export function isThrottling(name: string): boolean {
  return THROTTLING.has(name)
}

/** True if the call failed because an object, or a version of it, does not exist. */
export function isMissing(cause: unknown): boolean {
  const name = errorName(cause)
  return name === 'NoSuchKey' || name === 'NotFound'
}

/**
 * The error for a failed call: overloaded if the service throttles, otherwise store_unavailable. `what` is a clause like
 * `Firehose did not accept a record`.
 */
export function storeFailure(what: string, cause: unknown): GatewayError {
  return cause instanceof GatewayError ? cause : refusalOf(what, errorName(cause), cause)
}

/** The same for a service that returns an error name in its response. */
export function refusalOf(what: string, name: string, cause?: unknown): GatewayError {
  return isThrottling(name)
    ? new GatewayError('overloaded', `${what} (${name}): it is throttling; retry later`, { cause })
    : new GatewayError('store_unavailable', `${what} (${name}); retry later`, { cause })
}

/**
 * Whether the same call may succeed soon: after throttling, a fault of the service, or no response (connection, timeout).
 * Errors of the caller are permanent: permissions, names, sizes.
 */
export function isRetryable(cause: unknown): boolean {
  if (cause instanceof GatewayError) return false
  if (isThrottling(errorName(cause))) return true
  // Fields that the SDK adds to its errors; any of them may be missing, because anything may be thrown.
  const { $fault, $metadata } = (cause ?? {}) as { $fault?: string; $metadata?: { httpStatusCode?: number } }
  return $fault === 'server' || ($metadata?.httpStatusCode ?? 500) >= 500
}
