/** Parameters of AWS Systems Manager, and through them secrets of Secrets Manager. */

import type { GetParametersCommandInput, GetParametersCommandOutput, Parameter } from '@aws-sdk/client-ssm'
import { GatewayError } from '../../domain/errors.ts'
import type { Lazy } from '../../kit/lazy.ts'
import { errorName } from './aws-errors.ts'

/** The used part of the SDK's `SSM`. */
export interface ParameterClient {
  getParameters(input: GetParametersCommandInput): Promise<GetParametersCommandOutput>
}

/** Maximum number of names per call. See GetParameters in the API reference. */
const NAMES_MAX = 10
const SECRETS_PATH = '/aws/reference/secretsmanager/'

/**
 * Returns the decrypted values of the parameters by requested name: a path or an ARN, optionally with a selector
 * (`name:3`), or `/aws/reference/secretsmanager/<secret>`. Missing parameters are omitted.
 *
 * Rejects with source_unavailable if SSM does not respond or returns an error.
 */
export async function fetchParameters(
  client: Lazy<ParameterClient>,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>()
  for (let at = 0; at < names.length; at += NAMES_MAX) {
    const batch = names.slice(at, at + NAMES_MAX)
    const parameters = await getParameters(client, batch)
    for (const name of batch) {
      const value = parameters.find((parameter) => isNamed(parameter, name))?.Value
      if (value !== undefined) values.set(name, value)
    }
  }
  return values
}

async function getParameters(client: Lazy<ParameterClient>, names: readonly string[]): Promise<readonly Parameter[]> {
  try {
    const ssm = await client()
    const { Parameters = [] } = await ssm.getParameters({ Names: [...names], WithDecryption: true })
    return Parameters
  } catch (cause) {
    if (errorName(cause) === 'ParameterNotFound') return getOneByOne(client, names)
    // Only the error name: the message may reveal things that the role may not know.
    const text = `AWS Systems Manager did not return ${names.map((name) => JSON.stringify(name)).join(', ')} (${errorName(cause)}); check that it can be reached and that the role may use ssm:GetParameters and the key`
    throw new GatewayError('source_unavailable', text, { cause })
  }
}

/** A missing secret fails the whole call, while a missing parameter is only omitted. */
async function getOneByOne(client: Lazy<ParameterClient>, names: readonly string[]): Promise<readonly Parameter[]> {
  if (names.length <= 1) return []
  const found: Parameter[] = []
  for (const name of names) found.push(...(await getParameters(client, [name])))
  return found
}

/**
 * The response has the name and, separately, the selector. Emulators omit the selector but return the version, and put the
 * path before the name of a secret.
 */
function isNamed({ Name, ARN, Selector, Version }: Parameter, name: string): boolean {
  const names = [Name, `${SECRETS_PATH}${Name}`, ARN]
  const selectors = Selector === undefined ? ['', `:${Version}`] : [Selector]
  return names.some((each) => selectors.some((selector) => name === `${each}${selector}`))
}
