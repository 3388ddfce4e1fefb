/** The error class and the closed list of its codes. */

/**
 * Every code with its HTTP status. Codes are stable: they are metric labels, JSON fields and rows of docs/errors.md, which
 * a test compares with this table.
 */
export const ERROR_STATUS = {
  body_malformed: 400,
  body_too_large: 413,
  encoding_unsupported: 400,
  media_type_invalid: 400,
  streams_missing: 422,
  entries_refused: 400,
  entries_limited: 429,
  ingestion_blocked: 403,
  tenant_missing: 401,
  tenant_invalid: 400,
  tenant_forbidden: 403,
  credentials_invalid: 401,
  host_refused: 403,
  parameter_invalid: 400,
  query_malformed: 400,
  query_unsupported: 400,
  query_refused: 400,
  query_timeout: 504,
  query_cancelled: 499,
  page_token_invalid: 400,
  not_found: 404,
  state_conflict: 409,
  source_unavailable: 502,
  rate_limited: 429,
  overloaded: 503,
  stopping: 503,
  store_unavailable: 503,
  store_damaged: 500,
  issuer_unavailable: 503,
  config_invalid: 500,
  internal: 500,
} as const

export type ErrorCode = keyof typeof ERROR_STATUS

/** An error that a client or an operator can act on: what was received, what was expected, what to do. */
export class GatewayError extends Error {
  readonly code: ErrorCode
  /** HTTP status of the code, unless the operator configured another. */
  readonly status: number

  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { status?: number }) {
    super(message, options)
    this.name = 'GatewayError'
    this.code = code
    this.status = options?.status ?? ERROR_STATUS[code]
  }
}
