/** References in settings: the value `ssm:<name>` is replaced by that parameter of AWS Systems Manager. */

import { GatewayError } from '../domain/errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Returns the decrypted values of the parameters by name, without those that do not exist. */
export type FetchParameters = (names: readonly string[]) => Promise<ReadonlyMap<string, string>>

const PREFIX = 'ssm:'
/** Names, paths, ARNs and version selectors. See GetParameters in the API reference. */
const NAME = /^[A-Za-z0-9_.\-/:]{1,2048}$/

/**
 * Returns the environment with references replaced by the values of their parameters. Only `MILLRACE_*` and
 * `COGNIGY_API_KEY` may be references; without any, nothing is fetched. `ssm:/aws/reference/secretsmanager/<secret>`
 * is a secret of Secrets Manager.
 *
 * Throws one config_invalid for all invalid names, or for all missing parameters, with their variables and without
 * values; and whatever `fetch` throws.
 */
export async function resolveReferences(env: Environment, fetch: FetchParameters): Promise<Environment> {
  const references = findReferences(env)
  if (references.length === 0) return env
  throwIfAny(references.filter(({ name }) => !NAME.test(name)).map(({ variable }) => badName(variable)))
  const values = await fetch(Array.from(new Set(references.map(({ name }) => name))))
  throwIfAny(references.filter(({ name }) => !values.has(name)).map(missing))
  return { ...env, ...Object.fromEntries(references.map(({ variable, name }) => [variable, values.get(name)])) }
}

/** The name of the parameter that `value` refers to; undefined if it is not a reference. */
export function referenceIn(value: string | undefined): string | undefined {
  const text = value?.trim() ?? ''
  return text.startsWith(PREFIX) ? text.slice(PREFIX.length).trim() : undefined
}

interface Reference {
  readonly variable: string
  readonly name: string
}

function findReferences(env: Environment): Reference[] {
  return Object.entries(env).flatMap(([variable, value]) => {
    const name = variable.startsWith('MILLRACE_') || variable === 'COGNIGY_API_KEY' ? referenceIn(value) : undefined
    return name === undefined ? [] : [{ variable, name }]
  })
}

// The text after `ssm:` is not shown: it may be a secret.
function badName(variable: string): string {
  return `${variable}: the text after "ssm:" (not shown) is not a parameter name; expected ssm:/path/of/parameter`
}

function missing({ variable, name }: Reference): string {
  return `${variable}: parameter ${JSON.stringify(name)} does not exist in this account and region; create it, or correct the reference`
}

function throwIfAny(faults: readonly string[]): void {
  if (faults.length === 0) return
  const count = faults.length === 1 ? 'a reference is' : `${faults.length} references are`
  throw new GatewayError('config_invalid', `${count} invalid:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
}
