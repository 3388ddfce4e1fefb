/** Compiles the routes' schemas on first use, so that functions start fast. */

import type { FastifyServerOptions } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'

type Compilers = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>
type BuildValidator = (externalSchemas: unknown, options: unknown) => (route: RouteSchema) => Validator

interface RouteSchema {
  readonly schema: unknown
  /** The validated part of the request: params, querystring. */
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
    // Converts texts to the types of the schema and adds defaults, in place.
    if (validate(data) === true) return
    const [fault] = validate.errors ?? []
    throw new GatewayError('parameter_invalid', `${route.httpPart}${fault?.instancePath ?? ''} ${fault?.message}`)
  }
}

/** For Fastify's option of the same name. A value that does not match its schema is a parameter_invalid. */
export const compilersFactory = {
  buildValidator,
  // Response schemas are only for the OpenAPI document; they do not change responses.
  buildSerializer: () => () => JSON.stringify,
} as unknown as Compilers // their types require Ajv's additional members

/** Fastify's own validator compiler. */
async function loadAjv(): Promise<BuildValidator> {
  const { default: makeBuildValidator } = await import('@fastify/ajv-compiler')
  return makeBuildValidator() as unknown as BuildValidator
}
