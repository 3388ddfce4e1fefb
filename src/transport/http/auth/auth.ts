/** Who may do what: credentials to a principal, a principal and X-Scope-OrgID to a tenant. */

import basicAuth from '@fastify/basic-auth'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthConfig, Config } from '../../../config/read-config.ts'
import type { UserSource } from '../../../config/users.ts'
import { GatewayError } from '../../../domain/errors.ts'
import { parseTenant, parseTenants } from '../../../domain/tenant.ts'
import type { Clock } from '../../../ports/log-store.ts'
import { assertLocalRequest, assertOwnPage, hasCredentials } from './binding.ts'
import { FailureLimiter } from './failure-limiter.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { PasswordChecker } from './password-checker.ts'
import type { Principal } from './principal.ts'
import { refuse } from './token.ts'
import { registerTokens, type VerifyToken } from './tokens.ts'

export interface AuthParts {
  readonly config: Config
  readonly clock: Clock
  /** The 32 bytes that the local issuer's key is made of; needed with config.auth.localIssuer. */
  readonly localIssuerSeed?: Uint8Array
  /** The users of now, where they change while the gateway runs; otherwise config.auth.users. */
  readonly users?: UserSource
  /** What other applications of this process know, too; without it, the application has its own. */
  readonly memory?: AuthMemory
}

/** What a process remembers of credentials, whichever of its applications they were sent to. */
export interface AuthMemory {
  readonly failures: FailureLimiter
  readonly passwords: PasswordChecker
  /** Undefined where no issuer's tokens are taken. */
  readonly issuerKeys: IssuerKeys | undefined
}

export interface Auth {
  /** An onRequest hook: sets request.principal, or throws credentials_invalid, rate_limited, host_refused, overloaded. */
  authenticate(request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** The one tenant of an authenticated request. Throws tenant_missing, tenant_invalid, tenant_forbidden. */
  tenantOf(request: FastifyRequest): string
  /** The tenants that a query names, `a|b`. Throws the same. */
  tenantsOf(request: FastifyRequest): readonly string[]
}

/** Remembers nothing yet; the log is told when the keys of the issuer cannot be fetched. */
export function rememberAuth(
  { config, clock, users }: { config: Config; clock: Clock; users?: UserSource | undefined },
  log?: Pick<FastifyBaseLogger, 'warn'>,
): AuthMemory {
  const { auth } = config
  const url = auth.jwksUrl
  const onTrouble = (error: Error) => log?.warn({ err: error, url }, 'issuer keys not fetched')
  return {
    failures: new FailureLimiter(auth.failuresPerMinute, clock),
    passwords: new PasswordChecker(users ?? { users: () => auth.users }),
    issuerKeys: url === undefined ? undefined : new IssuerKeys({ url, clock, onTrouble }),
  }
}

/** Makes the app able to authenticate; each protected route takes `onRequest: auth.authenticate`. */
export async function registerAuth(app: FastifyInstance, parts: AuthParts): Promise<Auth> {
  const auth = parts.config.auth
  app.decorateRequest('principal', null)
  const identify = hasCredentials(auth) ? await registerCredentials(app, parts) : identifyAnonymous
  return {
    authenticate: async (request, reply) => {
      request.principal = await identify(request, reply)
    },
    tenantOf: (request) => tenantsFor(request, auth, (header) => [parseTenant(header)])[0] as string,
    tenantsOf: (request) => tenantsFor(request, auth, parseTenants),
  }
}

type Identify = (request: FastifyRequest, reply: FastifyReply) => Promise<Principal>

const ANONYMOUS: Principal = { name: 'anonymous', tenant: undefined, kind: 'anonymous' }

async function identifyAnonymous(request: FastifyRequest): Promise<Principal> {
  assertLocalRequest(request)
  return ANONYMOUS
}

/** Credentials as a header shows them, and whom their failures are counted for. */
interface Given {
  readonly identity: string
  check(): Promise<Principal>
}

async function registerCredentials(app: FastifyInstance, parts: AuthParts): Promise<Identify> {
  const { auth } = parts.config
  const { failures, passwords, issuerKeys } = parts.memory ?? rememberAuth(parts, app.log)
  const readPassword = auth.users.length > 0 ? await registerPasswords(app, passwords) : undefined
  const verifyToken = await registerTokens(app, { ...parts, auth, issuerKeys })
  const challenges = listChallenges(auth)
  return async (request, reply) => {
    try {
      const given = await readHeader(request, reply, readPassword, verifyToken)
      failures.assertAllowed(request.ip, given.identity)
      return await checkCounted(given, request.ip, failures)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'credentials_invalid') {
        reply.header('www-authenticate', challenges[request.routeOptions.config.challenge ?? 'bearer'])
      }
      throw error
    }
  }
}

async function checkCounted(given: Given, address: string, limiter: FailureLimiter): Promise<Principal> {
  try {
    return await given.check()
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'credentials_invalid') limiter.count(address, given.identity)
    throw error
  }
}

type ReadPassword = (request: FastifyRequest, reply: FastifyReply) => Promise<Given>

async function readHeader(
  request: FastifyRequest,
  reply: FastifyReply,
  readPassword: ReadPassword | undefined,
  verifyToken: VerifyToken | undefined,
): Promise<Given> {
  const header = request.headers.authorization?.trim() ?? ''
  if (header === '') throw refuse('no credentials came; send an Authorization header')
  const [, scheme, rest = header] = /^(basic|bearer)[ \t]+(.*)$/i.exec(header) ?? []
  if (scheme?.toLowerCase() === 'basic') {
    if (readPassword === undefined) throw refuse('a name and a password came, but only tokens are taken here; send one')
    assertOwnPage(request)
    return readPassword(request, reply)
  }
  if (verifyToken === undefined) {
    throw refuse('no name and password came, and nothing else is taken here; send `Authorization: Basic`')
  }
  // Clients of Cognito send the token alone: anything without a scheme is taken for one.
  return { identity: rest, check: () => verifyToken(request, rest) }
}

async function registerPasswords(app: FastifyInstance, checker: PasswordChecker): Promise<ReadPassword> {
  const givenBy = new WeakMap<FastifyRequest, Given>()
  await app.register(basicAuth, {
    // The plugin reads the header as RFC 7617 wants it; what it found is judged after the failures were looked up.
    strictCredentials: false,
    validate: async (name, password, request) => {
      givenBy.set(request, { identity: name, check: () => checkPassword(checker, name, password) })
    },
  })
  return (request, reply) =>
    new Promise((resolve, reject) => {
      const done = (error?: Error) => {
        const given = givenBy.get(request)
        if (error === undefined && given !== undefined) resolve(given)
        else reject(refuse('the Authorization header is not `Basic` with base64 of name:password; correct it'))
      }
      app.basicAuth.call(app, request, reply, done)
    })
}

async function checkPassword(checker: PasswordChecker, name: string, password: string): Promise<Principal> {
  const user = await checker.check(name, password)
  if (user === undefined) throw refuse('the name or the password is wrong; correct them')
  return { name: user.name, tenant: user.tenant, kind: 'user' }
}

/** What a 401 asks for: the route's kind where that is taken here, otherwise the other. */
function listChallenges(auth: AuthConfig): { readonly basic: string; readonly bearer: string } {
  const basic = 'Basic realm="millrace", charset="UTF-8"'
  const bearer = 'Bearer'
  const takesTokens = auth.jwksUrl !== undefined || auth.localIssuer
  return { basic: auth.users.length > 0 ? basic : bearer, bearer: takesTokens ? bearer : basic }
}

function tenantsFor(
  request: FastifyRequest,
  auth: AuthConfig,
  parse: (header: string) => readonly string[],
): readonly string[] {
  const { principal } = request
  if (principal === null) throw new Error('BUG: a tenant was asked for before the request was authenticated')
  const header = String(request.headers['x-scope-orgid'] ?? '')
  if (header === '') {
    const tenant = principal.tenant ?? auth.defaultTenant
    // Loki's words, which clients know.
    if (tenant === undefined) throw new GatewayError('tenant_missing', 'no org id')
    return [tenant]
  }
  const tenants = parse(header)
  if (principal.tenant !== undefined && tenants.some((tenant) => tenant !== principal.tenant)) {
    throw new GatewayError(
      'tenant_forbidden',
      `these credentials may use tenant "${principal.tenant}" only; send that X-Scope-OrgID or none`,
    )
  }
  return tenants
}
