/** Events of AWS services; a test passes only the relevant parts. */

import type { ALBEvent, APIGatewayProxyEvent, APIGatewayProxyEventV2 } from 'aws-lambda'

export interface EventParts {
  readonly method?: string
  readonly path?: string
  /** As in the URL, without the question mark. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly stage?: string
}

/** The sender's address in every request. */
export const SOURCE_IP = '203.0.113.7'

/** API Gateway's HTTP API, and a Function URL. */
export function eventV2(parts: EventParts = {}): APIGatewayProxyEventV2 {
  const { method = 'GET', path = '/', query = '', headers = {}, stage = '$default' } = parts
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    headers: { host: 'gateway.example', ...headers },
    requestContext: {
      accountId: '123456789012',
      apiId: 'api',
      domainName: 'gateway.example',
      domainPrefix: 'gateway',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: SOURCE_IP, userAgent: 'test' },
      requestId: 'request',
      routeKey: '$default',
      stage,
      time: '21/Nov/2026:12:00:00 +0000',
      timeEpoch: 1_795_262_400_000,
    },
    ...bodyOf(parts),
  } as unknown as APIGatewayProxyEventV2
}

/** API Gateway's REST API: names and values of the query are decoded. */
export function eventV1(parts: EventParts = {}): APIGatewayProxyEvent {
  const { method = 'GET', path = '/', query = '', headers = {}, stage = 'prod' } = parts
  const lists = listsOf(new URLSearchParams(query))
  return {
    resource: '/{proxy+}',
    httpMethod: method,
    path,
    headers: { Host: 'gateway.example', ...headers },
    multiValueHeaders: {},
    queryStringParameters: Object.fromEntries([...lists].map(([name, values]) => [name, values.at(-1)])),
    multiValueQueryStringParameters: Object.fromEntries(lists),
    pathParameters: null,
    stageVariables: null,
    requestContext: { requestId: 'request', stage, identity: { sourceIp: SOURCE_IP } },
    body: null,
    isBase64Encoded: false,
    ...bodyOf(parts),
  } as unknown as APIGatewayProxyEvent
}

/** A load balancer: the query is still encoded as in the URL, with only the last value of each name. */
export function eventAlb(parts: EventParts = {}): ALBEvent {
  const { method = 'GET', path = '/', query = '', headers = {} } = parts
  return {
    requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/t/1' } },
    httpMethod: method,
    path,
    queryStringParameters: Object.fromEntries(splitQuery(query)),
    headers: { host: 'gateway.example', 'x-forwarded-for': `198.51.100.1, ${SOURCE_IP}`, ...headers },
    body: '',
    isBase64Encoded: false,
    ...bodyOf(parts),
  }
}

/** The same with a target group that uses multi-value headers. */
export function eventAlbLists(parts: EventParts = {}): ALBEvent {
  const { headers = {}, queryStringParameters: _, ...rest } = eventAlb(parts)
  const pairs = splitQuery(parts.query ?? '')
  const lists = new Map(
    pairs.map(([name]) => [name, pairs.filter(([other]) => other === name).map(([, value]) => value)]),
  )
  return {
    ...rest,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? '']])),
    multiValueQueryStringParameters: Object.fromEntries(lists),
  }
}

function bodyOf({ body }: EventParts): object {
  if (body === undefined) return {}
  if (typeof body === 'string') return { body, isBase64Encoded: false }
  return { body: Buffer.from(body).toString('base64'), isBase64Encoded: true }
}

function listsOf(params: URLSearchParams): Map<string, string[]> {
  return new Map([...params.keys()].map((name) => [name, params.getAll(name)]))
}

function splitQuery(query: string): [name: string, value: string][] {
  if (query === '') return []
  return query.split('&').map((pair) => {
    const [name = '', ...value] = pair.split('=')
    return [name, value.join('=')]
  })
}
