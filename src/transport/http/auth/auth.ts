/** Authentication and authorisation: credentials to a principal, principal and X-Scope-OrgID to a tenant. */

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
import { ProvenLogins } from './proven-logins.ts'
import { refuse } from './token.ts'
import { registerTokens, type VerifyToken } from './tokens.ts'

export interface AuthParts {
  readonly config: Config
  readonly clock: Clock
  /** The 32-byte seed of the local issuer's key; required if config.auth.localIssuer. */
  readonly localIssuerSeed?: Uint8Array
  /** The current users, if they can change at run time; otherwise config.auth.users are used. */
  readonly users?: UserSource
  /** State shared with other applications of this process; by default the application has its own. */
  readonly memory?: AuthMemory
}

/** Authentication state shared by the applications of a process. */
export interface AuthMemory {
  readonly failures: FailureLimiter
  readonly proven: ProvenLogins
  readonly passwords: PasswordChecker
  /** Undefined if no token issuer is configured. */
  readonly issuerKeys: IssuerKeys | undefined
}

export interface Auth {
  /** An onRequest hook: sets request.principal. Throws credentials_invalid, rate_limited, host_refused, overloaded. */
  authenticate(request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** The same for what shows the whole process. Throws tenant_forbidden for credentials that are bound to a tenant. */
  authenticateOperator(request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** The tenant of an authenticated request. Throws tenant_missing, tenant_invalid, tenant_forbidden. */
  tenantOf(request: FastifyRequest): string
  /** The tenants of a query, `a|b`. Throws like tenantOf. */
  tenantsOf(request: FastifyRequest): readonly string[]
}

/** Creates empty state; failures to fetch the issuer's keys are logged. */
export function rememberAuth(
  { config, clock, users }: { config: Config; clock: Clock; users?: UserSource | undefined },
  log?: Pick<FastifyBaseLogger, 'warn'>,
): AuthMemory {
  const { auth } = config
  const url = auth.jwksUrl
  const onTrouble = (error: Error) => log?.warn({ err: error, url }, 'fetching issuer keys failed')
  return {
    failures: new FailureLimiter(auth.failuresPerMinute, clock),
    proven: new ProvenLogins(auth.failuresPerMinute, clock),
    passwords: new PasswordChecker(users ?? { users: () => auth.users }),
    issuerKeys: url === undefined ? undefined : new IssuerKeys({ url, clock, onTrouble }),
  }
}

/** Sets up authentication; each protected route needs `onRequest: auth.authenticate`. */
export async function registerAuth(app: FastifyInstance, parts: AuthParts): Promise<Auth> {
  const auth = parts.config.auth
  app.decorateRequest('principal', null)
  const identify = hasCredentials(auth) ? await registerCredentials(app, parts) : identifyAnonymous(parts.config)
  const authenticate = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    request.principal = await identify(request, reply)
  }
  return {
    authenticate,
    authenticateOperator: async (request, reply) => {
      await authenticate(request, reply)
      assertUnbound(request)
    },
    tenantOf: (request) => tenantsFor(request, auth, (header) => [parseTenant(header)])[0] as string,
    tenantsOf: (request) => tenantsFor(request, auth, parseTenants),
  }
}

type Identify = (request: FastifyRequest, reply: FastifyReply) => Promise<Principal>

const ANONYMOUS: Principal = { name: 'anonymous', tenant: undefined, kind: 'anonymous' }

function identifyAnonymous({ http }: Config): Identify {
  return async (request) => {
    assertLocalRequest(request, http.hostsAllowed)
    return ANONYMOUS
  }
}

/** Credentials from a header, and the identity for which failures are counted. */
interface Credentials {
  readonly identity: string
  /** Undefined for a token. */
  readonly password: string | undefined
  check(): Promise<Principal>
}

async function registerCredentials(app: FastifyInstance, parts: AuthParts): Promise<Identify> {
  const { auth } = parts.config
  const memory = parts.memory ?? rememberAuth(parts, app.log)
  const { passwords, issuerKeys } = memory
  const readPassword = auth.users.length > 0 ? await registerPasswords(app, passwords) : undefined
  const verifyToken = await registerTokens(app, { ...parts, auth, issuerKeys })
  const challenges = listChallenges(auth)
  return async (request, reply) => {
    try {
      const credentials = await readHeader(request, reply, readPassword, verifyToken)
      return await checkLimited(credentials, request.ip, memory)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'credentials_invalid') {
        reply.header('www-authenticate', challenges[request.routeOptions.config.challenge ?? 'bearer'])
      }
      throw error
    }
  }
}

/**
 * Checks credentials that may be checked. A token is checked in any case, as nobody guesses signatures, and a password that
 * was right before from the same address too: failures of others at that address do not keep them out.
 */
async function checkLimited(credentials: Credentials, address: string, memory: AuthMemory): Promise<Principal> {
  const { failures, proven } = memory
  const { identity, password } = credentials
  if (password !== undefined && !proven.has(address, identity, password)) failures.assertAllowed(address, identity)
  try {
    const principal = await credentials.check()
    if (password !== undefined) proven.add(address, identity, password)
    return principal
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'credentials_invalid') {
      if (password === undefined) failures.assertAllowed(address, identity)
      failures.count(address, identity)
    }
    throw error
  }
}

type ReadPassword = (request: FastifyRequest, reply: FastifyReply) => Promise<Credentials>

async function readHeader(
  request: FastifyRequest,
  reply: FastifyReply,
  readPassword: ReadPassword | undefined,
  verifyToken: VerifyToken | undefined,
): Promise<Credentials> {
  const header = request.headers.authorization?.trim() ?? ''
  if (header === '') throw refuse('no credentials; send an Authorization header')
  const [, scheme, rest = header] = /^(basic|bearer)[ \t]+(.*)$/i.exec(header) ?? []
  if (scheme?.toLowerCase() === 'basic') {
    if (readPassword === undefined)
      throw refuse('got a name and a password, but only tokens are accepted; send a token')
    assertOwnPage(request)
    return readPassword(request, reply)
  }
  if (verifyToken === undefined) {
    throw refuse('only a name and a password are accepted; send `Authorization: Basic`')
  }
  // Cognito clients send the token without a scheme, so any value without a scheme is treated as a token.
  return { identity: rest, password: undefined, check: () => verifyToken(request, rest) }
}

async function registerPasswords(app: FastifyInstance, checker: PasswordChecker): Promise<ReadPassword> {
  const credentialsOf = new WeakMap<FastifyRequest, Credentials>()
  await app.register(basicAuth, {
    // The plugin parses the header (RFC 7617); the password is checked later, after the failure limit.
    strictCredentials: false,
    validate: async (name, password, request) => {
      credentialsOf.set(request, { identity: name, password, check: () => checkPassword(checker, name, password) })
    },
  })
  return (request, reply) =>
    new Promise((resolve, reject) => {
      const done = (error?: Error) => {
        const credentials = credentialsOf.get(request)
        if (error === undefined && credentials !== undefined) resolve(credentials)
        else reject(refuse('the Authorization header must be `Basic` followed by the base64 of name:password'))
      }
      app.basicAuth.call(app, request, reply, done)
    })
}

async function checkPassword(checker: PasswordChecker, name: string, password: string): Promise<Principal> {
  const user = await checker.check(name, password)
  if (user === undefined) throw refuse('wrong name or password')
  return { name: user.name, tenant: user.tenant, kind: 'user' }
}

/** The challenge of a 401: the route's preferred kind of credentials if it is accepted, otherwise the other. */
function listChallenges(auth: AuthConfig): { readonly basic: string; readonly bearer: string } {
  const basic = 'Basic realm="millrace", charset="UTF-8"'
  const bearer = 'Bearer'
  const takesTokens = auth.jwksUrl !== undefined || auth.localIssuer
  return { basic: auth.users.length > 0 ? basic : bearer, bearer: takesTokens ? bearer : basic }
}

function assertUnbound({ principal, routeOptions }: FastifyRequest): void {
  if (principal?.tenant === undefined) return
  const text = `these credentials are for tenant "${principal.tenant}" only, and ${routeOptions.url} shows the whole process; use credentials without a tenant`
  throw new GatewayError('tenant_forbidden', text)
}

function tenantsFor(
  request: FastifyRequest,
  auth: AuthConfig,
  parse: (header: string) => readonly string[],
): readonly string[] {
  const { principal } = request
  if (principal === null) throw new Error('BUG: the tenant was read before the request was authenticated')
  const header = String(request.headers['x-scope-orgid'] ?? '')
  if (header === '') {
    const tenant = principal.tenant ?? auth.defaultTenant
    // Loki's text, which clients match.
    if (tenant === undefined) throw new GatewayError('tenant_missing', 'no org id')
    return [tenant]
  }
  const tenants = parse(header)
  if (principal.tenant !== undefined && tenants.some((tenant) => tenant !== principal.tenant)) {
    throw new GatewayError(
      'tenant_forbidden',
      `these credentials are for tenant "${principal.tenant}" only; send that X-Scope-OrgID or none`,
    )
  }
  return tenants
}
