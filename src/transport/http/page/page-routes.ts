/** The gateway's web page at /. */

import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AuthConfig } from '../../../config/read-config.ts'
import type { Auth } from '../auth/auth.ts'
import { hasCredentials } from '../auth/binding.ts'

export interface PageParts {
  readonly auth: Auth
  readonly credentials: AuthConfig
  readonly version: string
  /** Whether live tails and incidents are available: the page offers only these. */
  readonly hasTails: boolean
  readonly hasIncidents: boolean
}

interface Page {
  readonly text: string
  readonly policy: string
}

/**
 * Serves the page to clients that accept HTML; others get a 404 at /. If passwords are accepted, the page requires one,
 * and the browser sends it with all requests of the page. If only tokens are accepted, the page is public, contains only
 * public content, and asks for a token itself.
 */
export function registerPage(app: FastifyInstance, parts: PageParts): void {
  const { auth, credentials } = parts
  const isOpen = hasCredentials(credentials) && credentials.users.length === 0
  let page: Promise<Page> | undefined
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
      const { text, policy } = await page
      return reply
        .type('text/html; charset=utf-8')
        .headers({
          'cache-control': 'no-cache',
          'content-security-policy': policy,
          'cross-origin-opener-policy': 'same-origin',
          'referrer-policy': 'no-referrer',
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'DENY',
        })
        .send(text)
    },
  })
}

/** Browsers name HTML; programs usually accept any type with a star. */
function wantsPage({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? '').split(',').some((part) => part.trim().toLowerCase().split(';')[0] === 'text/html')
}

/** Loaded on demand, so that functions start without it. */
async function openPage({ version, hasTails, hasIncidents }: PageParts): Promise<Page> {
  const { PAGE_TEXT } = await import('./page-text.ts')
  const facts = [
    ['data-tails', hasTails ? 'yes' : 'no'],
    ['data-incidents', hasIncidents ? 'yes' : 'no'],
    ['data-version', version],
  ] as const
  // Each is replaced once, in the first tag; the values are not client input.
  const text = facts.reduce(
    (html, [name, value]) => html.replace(RegExp(`${name}="[^"]*"`), `${name}="${value}"`),
    PAGE_TEXT,
  )
  return { text, policy: policyOf(text) }
}

/**
 * Allows only the page's own script and style, by hash, and connections only to this gateway. See CSP level 3,
 * https://www.w3.org/TR/CSP3/.
 */
function policyOf(text: string): string {
  const rules = [
    "default-src 'none'",
    `script-src ${hashOf(text, 'script')}`,
    `style-src ${hashOf(text, 'style')}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ]
  return rules.join('; ')
}

function hashOf(text: string, tag: 'script' | 'style'): string {
  const content = new RegExp(`<${tag}(?: [^>]*)?>([^]*?)</${tag}>`).exec(text)?.[1]
  if (content === undefined) throw new Error(`BUG: the page has no ${tag}`)
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`
}
