/** A token issuer on a local port, and an app that accepts its tokens. */

import { createHmac, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { readConfig } from '../../../../src/config/read-config.ts'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { registerAuth } from '../../../../src/transport/http/auth/auth.ts'
import { FixedClock } from '../../../support/helper.ts'

export const ISSUER = 'https://issuer.example/pool'
export const SEED = new Uint8Array(32).fill(9)
/** The time of the test, long before the real time: tokens expire long after it. */
export const NOW_MS = Date.UTC(2026, 10, 21, 10)
const FAR_SECONDS = Date.UTC(2100, 0, 1) / 1000

export interface SigningKey {
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export function makeKey(id: string, modulusLength = 2048): SigningKey {
  return { id, ...generateKeyPairSync('rsa', { modulusLength }) }
}

export function publicJwk({ id, publicKey }: SigningKey): object {
  return { ...publicKey.export({ format: 'jwk' }), kid: id, use: 'sig', alg: 'RS256' }
}

export const ACCESS = { iss: ISSUER, sub: 'ann', exp: FAR_SECONDS, token_use: 'access', client_id: 'c1' }
export const ID = { iss: ISSUER, sub: 'ann', exp: FAR_SECONDS, token_use: 'id', aud: 'c2', 'custom:team': 'team-a' }

/** A token; `header` and `signature` may be forged. */
export function makeToken(key: SigningKey, payload: object, header: object = {}): string {
  const input = `${encode({ alg: 'RS256', typ: 'JWT', kid: key.id, ...header })}.${encode(payload)}`
  return `${input}.${createSign('RSA-SHA256').update(input).sign(key.privateKey, 'base64url')}`
}

/** The attack on old libraries that use the public key as a shared secret. */
export function makeConfusedToken(key: SigningKey, payload: object): string {
  const input = `${encode({ alg: 'HS256', typ: 'JWT', kid: key.id })}.${encode(payload)}`
  const secret = key.publicKey.export({ type: 'spki', format: 'pem' })
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

export function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

export interface Issuer {
  readonly url: string
  /** The response to the next requests. */
  keys: readonly object[]
  status: number
  body: string | undefined
  /** Requests so far. */
  fetches: number
}

/** Serves a key set. */
export async function startIssuer(t: Test, keys: readonly object[]): Promise<Issuer> {
  const state = { url: '', keys, status: 200, body: undefined as string | undefined, fetches: 0 }
  const server = createServer((_request, response) => {
    state.fetches++
    response.writeHead(state.status, { 'content-type': 'application/json', connection: 'close' })
    response.end(state.body ?? JSON.stringify({ keys: state.keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
  return state
}

export interface IssuerApp {
  readonly app: FastifyInstance
  readonly clock: FixedClock
  /** Sends the header, by default from another address for each call, so that no limit applies. */
  get(
    authorization: string,
    address?: string,
  ): Promise<{ status: number; body: Record<string, string>; challenge: unknown }>
}

export async function buildIssuerApp(t: Test, jwksUrl: string, env: Record<string, string> = {}): Promise<IssuerApp> {
  const app = Fastify()
  t.teardown(() => app.close())
  let address = 0
  const state: IssuerApp = {
    app,
    clock: new FixedClock(NOW_MS),
    get: async (authorization, remoteAddress = `10.0.${Math.floor(address / 250)}.${address++ % 250}`) => {
      const response = await app.inject({ url: '/logs', headers: { authorization }, remoteAddress })
      const challenge = response.headers['www-authenticate']
      return { status: response.statusCode, body: response.json(), challenge }
    },
  }
  const config = readConfig({
    MILLRACE_JWKS_URL: jwksUrl,
    MILLRACE_JWT_ISSUER: ISSUER,
    MILLRACE_JWT_CLIENT_IDS: 'c1,c2',
    MILLRACE_LOCAL_ISSUER: 'true',
    ...env,
  })
  const auth = await registerAuth(app, { config, clock: state.clock, localIssuerSeed: SEED })
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof GatewayError ? error : new GatewayError('internal', String(error))
    return reply.status(known.status).send({ code: known.code, message: known.message })
  })
  app.get(
    '/logs',
    { onRequest: auth.authenticate, config: { challenge: 'bearer' } },
    async (request) => request.principal,
  )
  return state
}
