/** The gateway's web page at /, and its files below /assets. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthConfig } from '../../../config/read-config.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { Auth } from '../auth/auth.ts'
import { hasCredentials } from '../auth/binding.ts'
import { wantsPage } from './wants-page.ts'

export interface PageParts {
  readonly auth: Auth
  readonly credentials: AuthConfig
  readonly version: string
  /** Whether live tails and incidents are available: the page offers only these. */
  readonly hasTails: boolean
  readonly hasIncidents: boolean
}

/**
 * Allows only files of this gateway, and connections only to it. Markup cannot be made of text: the page has no policy for
 * trusted types. See CSP level 3, https://www.w3.org/TR/CSP3/.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
}

/**
 * Serves the page to clients that accept HTML; others get a 404 at /. If passwords are accepted, the page requires one,
 * and the browser sends it with all requests of the page. If only tokens are accepted, the page is public, contains only
 * public content, and asks for a token itself. The files below /assets are public in any case, and never change.
 */
export function registerPage(app: FastifyInstance, parts: PageParts): void {
  const { auth, credentials } = parts
  const isOpen = hasCredentials(credentials) && credentials.users.length === 0
  let page: Promise<string> | undefined
  app.route({
    method: ['GET', 'HEAD'],
    url: '/',
    schema: { hide: true },
    config: { challenge: 'basic' },
    onRequest: async (request, reply) => {
      if (!isOpen && wantsPage(request)) await auth.authenticate(request, reply)
    },
    handler: async (request, reply) => {
      reply.header('vary', 'Accept')
      if (!wantsPage(request)) return reply.callNotFound()
      page ??= openPage(parts)
      return reply
        .type('text/html; charset=utf-8')
        .headers({
          'cache-control': 'no-cache',
          'content-security-policy': POLICY,
          'cross-origin-opener-policy': 'same-origin',
          'referrer-policy': 'no-referrer',
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'DENY',
        })
        .send(await page)
    },
  })
  app.route({ method: ['GET', 'HEAD'], url: '/assets/:name', schema: { hide: true }, handler: sendAsset })
}

async function sendAsset(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { name } = request.params as { name: string }
  const { PAGE_FILES } = await import('./page-files.ts')
  const file = PAGE_FILES.get(`assets/${name}`)
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)]
  if (file === undefined || type === undefined) {
    throw new GatewayError('not_found', 'the page has no such file; load the page again')
  }
  return reply
    .type(type)
    .headers({ 'cache-control': 'public, max-age=31536000, immutable', 'x-content-type-options': 'nosniff' })
    .send(file)
}

/** Loaded on demand, so that functions start without it. */
async function openPage({ version, hasTails, hasIncidents }: PageParts): Promise<string> {
  const { PAGE_FILES } = await import('./page-files.ts')
  const facts = [
    ['data-tails', hasTails ? 'yes' : 'no'],
    ['data-incidents', hasIncidents ? 'yes' : 'no'],
    ['data-version', version],
  ] as const
  const text = PAGE_FILES.get('index.html')?.toString()
  if (text === undefined) throw new Error('BUG: the page is not built')
  // Each is replaced once, in the first tag; the values are not client input.
  return facts.reduce((html, [name, value]) => html.replace(RegExp(`${name}="[^"]*"`), `${name}="${value}"`), text)
}
