/** What Fastify makes of the routes' schemas: nothing before a request needs it, so that a function starts at once. */

import type { FastifyServerOptions } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'

type Compilers = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>
type BuildValidator = (externalSchemas: unknown, options: unknown) => (route: RouteSchema) => Validator

interface RouteSchema {
  readonly schema: unknown
  /** What of a request the schema is about: params, querystring. */
  readonly httpPart?: string
}

interface Validator {
  (data: unknown): unknown
  errors?: readonly { readonly instancePath: string; readonly message?: string }[] | null
}

const buildValidator: BuildValidator = (externalSchemas, options) => (route) => {
  let compiled: Promise<Validator> | undefined
  return async (data: unknown) => {
    compiled ??= loadAjv().then((build) => build(externalSchemas, options)(route))
    const validate = await compiled
    // Reads texts as the types they stand for and fills in defaults, in place.
    if (validate(data) === true) return
    const [fault] = validate.errors ?? []
    throw new GatewayError('parameter_invalid', `${route.httpPart}${fault?.instancePath ?? ''} ${fault?.message}`)
  }
}

/** For Fastify's option of the same name. What does not fit its schema is a parameter_invalid. */
export const compilersFactory = {
  buildValidator,
  // Answers are sent as they are: response schemas only describe them.
  buildSerializer: () => () => JSON.stringify,
} as unknown as Compilers // whose types know what Ajv makes, and nothing else

/** Fastify's own compiler of validators. */
async function loadAjv(): Promise<BuildValidator> {
  const { default: makeBuildValidator } = await import('@fastify/ajv-compiler')
  return makeBuildValidator() as unknown as BuildValidator
}
