/** Parameters of AWS Systems Manager, and secrets of Secrets Manager by way of them. */

import type { GetParametersCommandInput, GetParametersCommandOutput, Parameter } from '@aws-sdk/client-ssm'
import { GatewayError } from '../../domain/errors.ts'
import type { Lazy } from '../../kit/lazy.ts'
import { errorName } from './aws-errors.ts'

/** What is used of the SDK's `SSM`. */
export interface ParameterClient {
  getParameters(input: GetParametersCommandInput): Promise<GetParametersCommandOutput>
}

/** The names of one call. See GetParameters in the API reference. */
const NAMES_MAX = 10
const SECRETS_PATH = '/aws/reference/secretsmanager/'

/**
 * The values of the parameters, decrypted, by the names asked for: a path, an ARN, either with a selector behind it
 * (`name:3`), or `/aws/reference/secretsmanager/<secret>`. One that does not exist is not in the answer.
 *
 * Rejects with source_unavailable when SSM does not answer, or refuses.
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
    // The service's own words may name what the role may not know; the name of the error tells what to do.
    const text = `AWS Systems Manager did not give ${names.map((name) => JSON.stringify(name)).join(', ')} (${errorName(cause)}); see that it can be reached and that the role may use ssm:GetParameters and the key`
    throw new GatewayError('source_unavailable', text, { cause })
  }
}

/** A secret that does not exist fails the whole call, where a parameter is only left out. */
async function getOneByOne(client: Lazy<ParameterClient>, names: readonly string[]): Promise<readonly Parameter[]> {
  if (names.length <= 1) return []
  const found: Parameter[] = []
  for (const name of names) found.push(...(await getParameters(client, [name])))
  return found
}

/**
 * The answer has the name and, apart from it, the selector. Emulators leave out the selector, but give the version, and
 * the path before the name of a secret.
 */
function isNamed({ Name, ARN, Selector, Version }: Parameter, name: string): boolean {
  const names = [Name, `${SECRETS_PATH}${Name}`, ARN]
  const selectors = Selector === undefined ? ['', `:${Version}`] : [Selector]
  return names.some((each) => selectors.some((selector) => name === `${each}${selector}`))
}
