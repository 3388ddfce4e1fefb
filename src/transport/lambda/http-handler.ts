/** The application as a Lambda handler, within Lambda's response limits. */

import awsLambdaFastify from '@fastify/aws-lambda'
import type { APIGatewayProxyResult, Context } from 'aws-lambda'
import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import { lazy } from '../../kit/lazy.ts'
import { type HttpSource, type ProxyEvent, readHttpEvent, sourceOf, toProxyEvent, wantsLists } from './http-events.ts'

export type LambdaAnswer = APIGatewayProxyResult

/** Has two parameters, as required by Lambda's Node 24 runtime. */
export type LambdaHandler = (event: unknown, context: Context) => Promise<LambdaAnswer>

/**
 * The maximum size of a response as Lambda's JSON, including base64 and escapes; a larger one gives the caller a 502
 * without explanation. 6 MB for an invocation, 1 MB behind a load balancer: see "Lambda quotas" and "Lambda functions as
 * targets" in AWS's documentation.
 */
const ANSWER_BYTES_MAX: Readonly<Record<HttpSource, number>> = { api: 6 * 2 ** 20, 'load-balancer': 2 ** 20 }
/** The maximum number of bytes per UTF-16 unit in JSON. */
const JSON_BYTES_PER_UNIT_MAX = 6
/** Text is sent unchanged; everything else must be base64. */
const TEXT = /^(text\/|application\/(.+\+)?json\b)/

/** Routes of another application. */
export interface OtherRoutes {
  /** `path` is without the query. */
  isOther(method: string, path: string): boolean
  /** Builds the application with all routes; called once, by the first request for one of the other routes. */
  readonly open: () => Promise<FastifyInstance>
}

/** Creates the handler of an application, optionally with another application for other routes. */
export async function buildLambdaHandler(app: FastifyInstance, others?: OtherRoutes): Promise<LambdaHandler> {
  const answer = await openAnswers(app)
  const answerOther = others && lazy(async () => openAnswers(await others.open()))
  return async (event, context) => {
    const request = readHttpEvent(event)
    const local = toProxyEvent(request)
    const isOther = answerOther !== undefined && others?.isOther(local.httpMethod, pathOf(local))
    const full = await (isOther ? await answerOther() : answer)(local, context)
    const bounded = withinLimit(full, sourceOf(request))
    return wantsLists(request) ? withHeaderLists(bounded) : bounded
  }
}

type Answers = (event: ProxyEvent, context: Context) => Promise<LambdaAnswer>

async function openAnswers(app: FastifyInstance): Promise<Answers> {
  const answer = awsLambdaFastify(app, {
    decorateRequest: false,
    parseCommaSeparatedQueryParams: false,
    enforceBase64: ({ headers }) => isBinary(headers as Readonly<Record<string, string | undefined>>),
  })
  await app.ready()
  // The plugin's types accept only the original events.
  return answer as unknown as Answers
}

function pathOf({ path }: ProxyEvent): string {
  return path.split('?', 1)[0] as string
}

function isBinary(headers: Readonly<Record<string, string | undefined>>): boolean {
  const encoding = headers['content-encoding'] ?? 'identity'
  return encoding !== 'identity' || !TEXT.test(headers['content-type'] ?? 'text/plain')
}

function withinLimit(answer: LambdaAnswer, source: HttpSource): LambdaAnswer {
  const bytesMax = ANSWER_BYTES_MAX[source]
  if (answer.body.length * JSON_BYTES_PER_UNIT_MAX < bytesMax / 2) return answer
  const bytes = Buffer.byteLength(JSON.stringify(answer))
  if (bytes <= bytesMax) return answer
  const text = `the response is ${bytes} bytes in Lambda's encoding, and the maximum is ${bytesMax}; use a shorter time range, a lower limit or compression (Accept-Encoding: gzip)`
  return errorAnswer(new GatewayError('query_refused', text))
}

/** A load balancer with multi-value headers accepts only lists. */
function withHeaderLists(answer: LambdaAnswer): LambdaAnswer {
  const lists = Object.entries(answer.headers ?? {}).map(([name, value]) => [name, [value]])
  return { ...answer, multiValueHeaders: Object.fromEntries(lists) }
}

function errorAnswer({ code, status, message }: GatewayError): LambdaAnswer {
  return {
    statusCode: status,
    headers: { 'content-type': 'application/json' },
    isBase64Encoded: false,
    body: `${JSON.stringify({ error: { code, message } })}\n`,
  }
}
