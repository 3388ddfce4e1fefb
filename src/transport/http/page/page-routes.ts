/** The gateway's own page at /, for browsers. */

import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AuthConfig } from '../../../config/read-config.ts'
import type { Auth } from '../auth/auth.ts'
import { hasCredentials } from '../auth/binding.ts'

export interface PageParts {
  readonly auth: Auth
  readonly credentials: AuthConfig
  readonly version: string
  /** Whether there are live tails, and incidents: the page offers only what there is. */
  readonly hasTails: boolean
  readonly hasIncidents: boolean
}

interface Page {
  readonly text: string
  readonly policy: string
}

/**
 * Serves the page to whoever asks for HTML; for everybody else there is nothing at /, as without a page. Where passwords
 * are taken it asks for one, which the browser sends with all that the page asks; where only tokens are, the page is
 * open, has nothing in it that is not public, and asks for a token itself.
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

/** Programs take anything, and say so with a star; browsers name HTML. */
function wantsPage({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? '').split(',').some((part) => part.trim().toLowerCase().split(';')[0] === 'text/html')
}

/** Loaded only now: most gateways are never asked, and a function starts without it. */
async function openPage({ version, hasTails, hasIncidents }: PageParts): Promise<Page> {
  const { PAGE_TEXT } = await import('./page-text.ts')
  const facts = [
    ['data-tails', hasTails ? 'yes' : 'no'],
    ['data-incidents', hasIncidents ? 'yes' : 'no'],
    ['data-version', version],
  ] as const
  // Replaced once each, in the first tag; the version is ours, and no text of a client.
  const text = facts.reduce(
    (html, [name, value]) => html.replace(RegExp(`${name}="[^"]*"`), `${name}="${value}"`),
    PAGE_TEXT,
  )
  return { text, policy: policyOf(text) }
}

/**
 * Only the page's own script and style run, by their hashes, and it reaches nothing but this gateway. See CSP level 3,
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
