/** The application as a Lambda handler: one event in, one answer out, within what Lambda carries. */

import awsLambdaFastify from '@fastify/aws-lambda'
import type { APIGatewayProxyResult, Context } from 'aws-lambda'
import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import { lazy } from '../../kit/lazy.ts'
import { type HttpSource, type ProxyEvent, readHttpEvent, sourceOf, toProxyEvent, wantsLists } from './http-events.ts'

export type LambdaAnswer = APIGatewayProxyResult

/** Takes two parameters, as the runtime of Node 24 demands. */
export type LambdaHandler = (event: unknown, context: Context) => Promise<LambdaAnswer>

/**
 * What an answer may weigh as the JSON that Lambda carries, base64 and escapes included: beyond it, the caller gets a 502
 * without a word. 6 MB for an invocation, 1 MB behind a load balancer: see "Lambda quotas" and "Lambda functions as
 * targets" in AWS's documentation.
 */
const ANSWER_BYTES_MAX: Readonly<Record<HttpSource, number>> = { api: 6 * 2 ** 20, 'load-balancer': 2 ** 20 }
/** No character takes more bytes than this as JSON. */
const JSON_BYTES_PER_UNIT_MAX = 6
/** Texts travel as they are; everything else would be destroyed on the way. */
const TEXT = /^(text\/|application\/(.+\+)?json\b)/

/** Routes that the application does not have. */
export interface OtherRoutes {
  /** Of the method and the path without its query. */
  isOther(method: string, path: string): boolean
  /** Builds the application that has every route; asked for once, by the first request for one of the others. */
  readonly open: () => Promise<FastifyInstance>
}

/** Makes the handler of an application: of one that has every route, or of one with others behind it. */
export async function buildLambdaHandler(app: FastifyInstance, others?: OtherRoutes): Promise<LambdaHandler> {
  const answer = await openAnswers(app)
  const answerOther = others && lazy(async () => openAnswers(await others.open()))
  return async (event, context) => {
    const request = readHttpEvent(event)
    const local = toProxyEvent(request)
    const isOther = answerOther !== undefined && others?.isOther(local.httpMethod, pathOf(local))
    const given = await (isOther ? await answerOther() : answer)(local, context)
    const kept = withinLimit(given, sourceOf(request))
    return wantsLists(request) ? withHeaderLists(kept) : kept
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
  // The types know the sources' own events only.
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
  const text = `the answer is ${bytes} bytes as Lambda carries it, at most ${bytesMax} fit; ask for a shorter time range or a lower limit, or for a compressed answer (Accept-Encoding: gzip)`
  return errorAnswer(new GatewayError('query_refused', text))
}

/** A load balancer that sends lists of headers takes nothing else. */
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
