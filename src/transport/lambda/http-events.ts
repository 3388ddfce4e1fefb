/** Converts Lambda's HTTP events to the one format that @fastify/aws-lambda reads without loss. */

import type { ALBEvent, APIGatewayProxyEvent, APIGatewayProxyEventV2 } from 'aws-lambda'
import { GatewayError } from '../../domain/errors.ts'

/** Events of API Gateway's REST (1.0) and HTTP (2.0) APIs, Function URLs (2.0) and load balancers. */
export type HttpEvent = APIGatewayProxyEvent | APIGatewayProxyEventV2 | ALBEvent

/** An event whose `path` is the request target including the query, and whose headers are all in `headers`. */
export interface ProxyEvent {
  readonly version?: string
  readonly httpMethod: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string | undefined
  readonly isBase64Encoded: boolean
  readonly requestContext: {
    readonly requestId?: string
    /** The sender of the request, as seen by AWS. */
    readonly identity: { readonly sourceIp?: string }
  }
}

/** The source of the event, which determines the maximum response size. */
export type HttpSource = 'api' | 'load-balancer'

/** Throws config_invalid for another kind of event: the function was connected to a queue or a schedule. */
export function readHttpEvent(event: unknown): HttpEvent {
  const context = (event as { requestContext?: { http?: unknown } } | null)?.requestContext
  const isHttp = context !== undefined && (context.http !== undefined || 'httpMethod' in (event as object))
  // Checks the fields that AWS documents for each kind; the rest of an event is trusted.
  if (isHttp) return event as HttpEvent
  throw new GatewayError(
    'config_invalid',
    'the event is not an HTTP request; invoke this function through API Gateway, a Function URL or a load balancer, and use the other functions for queues and schedules',
  )
}

export function sourceOf(event: HttpEvent): HttpSource {
  return 'elb' in event.requestContext ? 'load-balancer' : 'api'
}

/** Whether the source uses only header lists: a load balancer whose target group has multi-value headers enabled. */
export function wantsLists(event: HttpEvent): boolean {
  return !event.headers && 'multiValueHeaders' in event && sourceOf(event) === 'load-balancer'
}

/**
 * The same request for every source. The query is taken from where each source has it complete: 2.0 has repeated
 * parameters (`match[]`) only in rawQueryString, 1.0 has them decoded, a load balancer has them encoded.
 * See "Using AWS Lambda with API Gateway" and "Lambda functions as targets" in AWS's documentation.
 */
export function toProxyEvent(event: HttpEvent): ProxyEvent {
  const { headers, body, isBase64Encoded = false } = event
  const rest = { headers: joinHeaders(event, headers), body: body ?? undefined, isBase64Encoded }
  if ('http' in event.requestContext) {
    const { rawPath, rawQueryString, requestContext, cookies } = event as APIGatewayProxyEventV2
    const { requestId, stage, http } = requestContext
    return {
      ...rest,
      version: '2.0',
      httpMethod: http.method,
      path: joinTarget(withoutStage(rawPath, stage), rawQueryString),
      headers: cookies === undefined ? rest.headers : { ...rest.headers, cookie: cookies.join('; ') },
      requestContext: { requestId, identity: { sourceIp: http.sourceIp } },
    }
  }
  const { httpMethod, path } = event as APIGatewayProxyEvent | ALBEvent
  if (sourceOf(event) === 'load-balancer') {
    const identity = addressOf(rest.headers)
    return {
      ...rest,
      httpMethod,
      path: joinTarget(path, pairsOf(event).map(joinPair).join('&')),
      requestContext: { identity },
    }
  }
  const { requestId, identity, stage } = (event as APIGatewayProxyEvent).requestContext
  const query = new URLSearchParams(pairsOf(event)).toString()
  return {
    ...rest,
    httpMethod,
    path: joinTarget(withoutStage(path, stage), query),
    requestContext: { requestId, identity: { sourceIp: identity.sourceIp } },
  }
}

/** A valid request target: HTTP APIs decode the path, and a decoded `?` must not start a query. */
function joinTarget(path: string, query: string): string {
  const safePath = path.toWellFormed().replace(/[^\x21-\x7e]|[?#]/gu, encodeURIComponent)
  return query === '' ? safePath : `${safePath}?${query}`
}

/** A stage other than $default precedes the path, unless a custom domain removes it. */
function withoutStage(path: string, stage: string): string {
  return path.startsWith(`/${stage}/`) ? path.slice(stage.length + 1) : path
}

type Pair = [name: string, value: string]

function pairsOf(event: HttpEvent): Pair[] {
  const { multiValueQueryStringParameters, queryStringParameters } = event as APIGatewayProxyEvent | ALBEvent
  if (multiValueQueryStringParameters) {
    return Object.entries(multiValueQueryStringParameters).flatMap(([name, values]) =>
      (values ?? []).map((value): Pair => [name, value]),
    )
  }
  return Object.entries(queryStringParameters ?? {}).map(([name, value]): Pair => [name, value ?? ''])
}

function joinPair([name, value]: Pair): string {
  return value === '' ? name : `${name}=${value}`
}

/** A load balancer with multi-value headers sends only lists. */
function joinHeaders(event: HttpEvent, headers: HttpEvent['headers']): Readonly<Record<string, string | undefined>> {
  if (headers) return headers
  const lists = Object.entries(('multiValueHeaders' in event && event.multiValueHeaders) || {})
  return Object.fromEntries(lists.map(([name, values]) => [name, values?.join(', ')]))
}

/** A load balancer appends the client address; anything before it is sent by the client and not trusted. */
function addressOf(headers: Readonly<Record<string, string | undefined>>): { readonly sourceIp?: string } {
  const sourceIp = headers['x-forwarded-for']?.split(',').at(-1)?.trim()
  return sourceIp === undefined ? {} : { sourceIp }
}
