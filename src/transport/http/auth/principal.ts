/** The authenticated sender of a request. */

export interface Principal {
  readonly name: string
  /** The only tenant it may use; undefined: any. */
  readonly tenant: string | undefined
  readonly kind: 'user' | 'token' | 'anonymous'
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null before `authenticate` has run. */
    principal: Principal | null
  }
  interface FastifyContextConfig {
    /** The kind of credentials in the challenge of a 401 from this route. */
    challenge?: 'basic' | 'bearer'
  }
}
