/** `millrace token`: a token of the local issuer. */

import { parseArgs } from 'node:util'
import { parseDuration } from '../domain/duration.ts'
import { GatewayError } from '../domain/errors.ts'
import { parseTenant } from '../domain/tenant.ts'
import type { Command } from './commands.ts'

export interface TokenMaker {
  /** Whether the gateway is configured to accept these tokens. */
  readonly isTaken: boolean
  sign(order: { subject: string; tenant: string | undefined; lifetimeMs: number }): string
}

const LIFETIME_DEFAULT = '1h'
const LIFETIME_MS_MAX = 10 * 365 * 86_400_000
const SUBJECT_CHARS_MAX = 200

/** `open` loads the key; it is not called for wrong usage. */
export function tokenCommand(open: () => TokenMaker | Promise<TokenMaker>): Command {
  return {
    name: 'token',
    summary: 'Prints a bearer token, signed with the key in the data folder.',
    usage: `millrace token --subject NAME [--tenant TENANT] [--expires ${LIFETIME_DEFAULT}]

  --subject NAME    the bearer of the token
  --tenant TENANT   the only tenant that the bearer may use; default: any
  --expires TIME    lifetime, like 90d or 1h30m; at most 3650d

The gateway accepts these tokens if MILLRACE_LOCAL_ISSUER=true. A single token cannot be revoked; deleting
local-issuer.key in the data folder revokes all of them.`,
    run: async (args, terminal) => {
      const order = readOrder(args)
      const maker = await open()
      terminal.out(`${maker.sign(order)}\n`)
      if (!maker.isTaken) {
        terminal.note('The gateway does not accept this token yet: start it with MILLRACE_LOCAL_ISSUER=true\n')
      }
      return 0
    },
  }
}

function readOrder(args: readonly string[]): Parameters<TokenMaker['sign']>[0] {
  const { values } = parseArgs({
    args: [...args],
    options: {
      subject: { type: 'string' },
      tenant: { type: 'string' },
      expires: { type: 'string', default: LIFETIME_DEFAULT },
    },
  })
  const { subject = '', tenant, expires } = values
  if (subject === '' || subject.length > SUBJECT_CHARS_MAX) {
    throw new GatewayError('parameter_invalid', `--subject must be a name of 1 to ${SUBJECT_CHARS_MAX} characters`)
  }
  const lifetimeMs = parseDuration(expires) ?? 0
  if (lifetimeMs < 1000 || lifetimeMs > LIFETIME_MS_MAX) {
    throw new GatewayError(
      'parameter_invalid',
      `--expires ${JSON.stringify(expires)} is not a duration from 1s to 3650d, like 1h30m`,
    )
  }
  return { subject, tenant: tenant === undefined ? undefined : readTenant(tenant), lifetimeMs }
}

function readTenant(text: string): string {
  try {
    return parseTenant(text)
  } catch (cause) {
    throw new GatewayError('parameter_invalid', `--tenant: ${(cause as GatewayError).message}`, { cause })
  }
}
