/** Who sends a request, once that is known. */

export interface Principal {
  readonly name: string
  /** The only tenant it may name; undefined: any. */
  readonly tenant: string | undefined
  readonly kind: 'user' | 'token' | 'anonymous'
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null before `authenticate` has run. */
    principal: Principal | null
  }
  interface FastifyContextConfig {
    /** The kind of credentials that a 401 of this route asks for. */
    challenge?: 'basic' | 'bearer'
  }
}
