/**
 * The resources that sst.config.ts declares, without SST's platform: the configuration runs over stand-ins of Pulumi's
 * providers and of SST's components. `npm run infra:check` holds the result to the platform's own.
 */

import { interpolate, makeOutput, unwrap } from './outputs.ts'
import { ACCOUNT, ENVIRONMENT, type Graph, REGION, type Resource, stateOf } from './resource-graph.ts'
import { type Declare, sstComponents } from './sst-components.ts'

type Environment = Readonly<Record<string, string>>

const LOOKUPS: Readonly<Record<string, unknown>> = {
  getRegionOutput: { name: REGION, region: REGION, id: REGION },
  getCallerIdentityOutput: { accountId: ACCOUNT },
  getAuthorizationTokenOutput: { userName: 'AWS', password: 'x' },
}

/** Runs the configuration for a stage, with these variables in addition to those that every deployer sets. */
export async function offlineGraph(stage: string, variables: Environment = {}): Promise<Graph> {
  const resources: Resource[] = []
  const declare: Declare = (type, name, args) => {
    const inputs = unwrap(args) as Resource['inputs']
    resources.push({ type, name, inputs })
    return resourceOf({ ...stateOf(name), ...inputs, id: `${name}-id` }, `${type} ${name}`)
  }
  return withEnvironment({ MILLRACE_IMAGE_URI: '', ...ENVIRONMENT, ...variables }, async () => {
    Object.assign(globalThis, {
      $config: (config: unknown) => config,
      $interpolate: interpolate,
      $output: makeOutput,
      $jsonStringify: (value: unknown) => makeOutput(JSON.stringify(unwrap(value))),
      aws: providerOf('aws', declare),
      random: providerOf('random', declare),
      dockerbuild: providerOf('docker-build', declare),
      sst: sstComponents(declare),
      $app: { name: 'millrace', stage },
    })
    const { default: config } = await import(new URL('../../sst.config.ts', import.meta.url).href)
    const app = { protect: false, ...config.app({ stage }) }
    await config.run()
    return { app, resources }
  })
}

/** A property that is neither an input nor filled in by the provider is a mistake. */
function resourceOf(state: Readonly<Record<string, unknown>>, what: string): Record<string, unknown> {
  return new Proxy(state, {
    get: (target, key) => {
      if (typeof key === 'symbol' || key === 'then') return undefined
      if (!(key in target)) throw new Error(`${what} has no ${key}`)
      return makeOutput(target[key])
    },
  })
}

/** `aws.kms.Key` is a class of the type `aws:kms/key:Key`; names that begin small are functions. */
function providerOf(provider: string, declare: Declare, modules: readonly string[] = []): unknown {
  return new Proxy(() => undefined, {
    get: (_, name: string) => {
      if (/^[a-z]/.test(name) && name.endsWith('Output')) return lookup(name)
      if (name === 'assumeRolePolicyForPrincipal') return (principal: object) => makeOutput(trustOf(principal))
      if (/^[a-z]/.test(name)) return providerOf(provider, declare, [...modules, name])
      const small = `${name[0]?.toLowerCase()}${name.slice(1)}`
      const module = provider === 'docker-build' ? 'index' : `${modules.join('/') || 'index'}/${small}`
      const type = `${provider}:${module}:${name}`
      return new Proxy(Object, { construct: (_class, [id, args]: [string, object]) => declare(type, id, args) })
    },
  })
}

function lookup(name: string): (args: object) => object {
  if (name === 'getPolicyDocumentOutput') return (args) => makeOutput({ json: JSON.stringify(unwrap(args)) })
  if (!(name in LOOKUPS)) throw new Error(`${name} has no answer offline`)
  return () => makeOutput(LOOKUPS[name])
}

function trustOf(principal: object): object {
  return { Version: '2012-10-17', Statement: [{ Action: 'sts:AssumeRole', Effect: 'Allow', Principal: principal }] }
}

async function withEnvironment<T>(variables: Environment, act: () => Promise<T>): Promise<T> {
  const before = { ...process.env }
  Object.assign(process.env, variables)
  try {
    return await act()
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  }
}
