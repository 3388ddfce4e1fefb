/** Settings that stand elsewhere: `ssm:<name>` in place of a value is a parameter of AWS Systems Manager. */

import { GatewayError } from '../domain/errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The values of the parameters with these names, decrypted. One that does not exist is not in it. */
export type FetchParameters = (names: readonly string[]) => Promise<ReadonlyMap<string, string>>

const PREFIX = 'ssm:'
/** Names, paths, ARNs and selectors of versions. See GetParameters in the API reference. */
const NAME = /^[A-Za-z0-9_.\-/:]{1,2048}$/

/**
 * The environment with the values of parameters in place of references. Only `MILLRACE_*` and `COGNIGY_API_KEY` may be
 * references; without any, nothing is fetched. `ssm:/aws/reference/secretsmanager/<secret>` is a secret of Secrets
 * Manager.
 *
 * Throws config_invalid for names that are none and parameters that do not exist, all together, with their variables
 * and never a value; and what `fetch` throws.
 */
export async function resolveReferences(env: Environment, fetch: FetchParameters): Promise<Environment> {
  const references = findReferences(env)
  if (references.length === 0) return env
  assertNone(references.filter(({ name }) => !NAME.test(name)).map(({ variable }) => badName(variable)))
  const values = await fetch(Array.from(new Set(references.map(({ name }) => name))))
  assertNone(references.filter(({ name }) => !values.has(name)).map(missing))
  return { ...env, ...Object.fromEntries(references.map(({ variable, name }) => [variable, values.get(name)])) }
}

/** The name of the parameter that a variable's value stands for; undefined when it is a value. */
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

// What stands behind `ssm:` may be a secret that was meant to be a value.
function badName(variable: string): string {
  return `${variable}: what follows "ssm:" (not shown) is no name of a parameter; wanted ssm:/path/of/parameter`
}

function missing({ variable, name }: Reference): string {
  return `${variable}: there is no parameter ${JSON.stringify(name)} in this account and region; create it, or correct the reference`
}

function assertNone(faults: readonly string[]): void {
  if (faults.length === 0) return
  const count = faults.length === 1 ? 'a reference is' : `${faults.length} references are`
  throw new GatewayError('config_invalid', `${count} wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
}
