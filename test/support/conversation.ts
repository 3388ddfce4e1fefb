/**
 * Plays recorded HTTP conversations against the application.
 *
 * A conversation is a text file of exchanges separated by blank lines; lines that start with `#` are comments.
 *
 *     > GET /loki/api/v1/index/volume        method and path
 *     > ?query={service_name=~".+"}          a parameter of the URL, not yet encoded
 *     > X-Scope-OrgID: a                     a header
 *     > {"streams":[]}                       anything else is a line of the body
 *     < 200                                  the status
 *     < content-type: application/json       an expected header
 *     < {"status":"success",…}               lines of the body; … stands for any text
 */

import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

export interface Exchange {
  readonly request: { readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'; readonly url: string }
  readonly requestHeaders: Record<string, string>
  readonly requestBody: string
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

const HEADER = /^([A-Za-z][A-Za-z0-9-]*): (.*)$/

export function parseConversation(text: string): Exchange[] {
  const blocks = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n{2,}/)
  return blocks.filter((block) => block.trim() !== '').map(parseExchange)
}

function parseExchange(block: string): Exchange {
  const said = (mark: string): string[] =>
    block
      .split('\n')
      .filter((line) => line.startsWith(`${mark} `))
      .map((line) => line.slice(2))
  const [head = '', ...asked] = said('>')
  const [status = '', ...answered] = said('<')
  const [, method = '', path = ''] = /^(GET|POST|PUT|DELETE) (\S+)$/.exec(head) ?? []
  if (method === '' || !/^\d{3}$/.test(status)) throw new Error(`no exchange: ${block}`)
  const parameters = asked.filter((line) => line.startsWith('?')).map((line) => encodeParameter(line.slice(1)))
  const requestHeaders = asked.flatMap((line) => {
    const [, name, value] = HEADER.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name, value] as const]
  })
  const headers = answered.flatMap((line) => {
    const [, name, value] = HEADER.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value] as const]
  })
  const bodyOf = (lines: readonly string[]): string =>
    lines.filter((line) => !line.startsWith('?') && !HEADER.test(line)).join('\n')
  return {
    request: {
      method: method as Exchange['request']['method'],
      url: parameters.length === 0 ? path : `${path}?${parameters.join('&')}`,
    },
    requestHeaders: Object.fromEntries(requestHeaders),
    requestBody: bodyOf(asked),
    status: Number(status),
    headers: new Map(headers),
    body: bodyOf(answered),
  }
}

function encodeParameter(text: string): string {
  const at = text.indexOf('=')
  return `${encodeURIComponent(text.slice(0, at))}=${encodeURIComponent(text.slice(at + 1))}`
}

/** Asserts each response. `settle` is called after each exchange that may have written something. */
export async function playConversation(
  t: Test,
  app: FastifyInstance,
  exchanges: readonly Exchange[],
  settle: () => Promise<void>,
): Promise<void> {
  for (const { request, requestHeaders, requestBody, status, headers, body } of exchanges) {
    const answer = await app.inject({
      ...request,
      headers: requestHeaders,
      ...(requestBody === '' ? {} : { payload: requestBody }),
    })
    if (request.method !== 'GET') await settle()
    const name = `${request.method} ${request.url}`
    t.equal(answer.statusCode, status, `${name}: the status (${answer.statusCode >= 400 ? answer.body.trim() : ''})`)
    for (const [header, value] of headers) t.equal(answer.headers[header], value, `${name}: ${header}`)
    if (body.includes('…')) t.match(answer.body.trimEnd(), toRegExp(body), `${name}: the body`)
    else t.equal(answer.body.trimEnd(), body, `${name}: the body`)
  }
}

function toRegExp(text: string): RegExp {
  const literals = text.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${literals.join('[\\s\\S]*')}$`)
}
