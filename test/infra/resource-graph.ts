/** The resources that a deployment of a stage declares, in a form for tests. */

export interface Resource {
  readonly type: string
  readonly name: string
  // Inputs are anything that a provider accepts.
  // biome-ignore lint/suspicious/noExplicitAny: tests read it property by property
  readonly inputs: any
}

export interface Graph {
  readonly app: {
    readonly name: string
    readonly removal: string
    readonly protect: boolean
    readonly providers: { readonly aws: { readonly defaultTags: { readonly tags: Readonly<Record<string, string>> } } }
  }
  readonly resources: readonly Resource[]
}

export interface Statement {
  readonly actions: readonly string[]
  readonly resources: readonly string[]
}

export const REGION = 'us-east-1'
export const ACCOUNT = '123456789012'

/** What a provider fills in once the resource exists; inputs take precedence. */
export function stateOf(name: string): Readonly<Record<string, unknown>> {
  const arn = `arn:aws:mock:${REGION}:${ACCOUNT}:${name}`
  return {
    arn,
    name,
    bucket: name,
    url: `https://mock/${name}`,
    repositoryUrl: `mock/${name}`,
    registryId: ACCOUNT,
    functionUrl: `https://${name}.lambda-url.${REGION}.on.aws/`,
    invokeArn: arn,
    executionArn: arn,
    apiEndpoint: `https://${name}.mock`,
    domainNameConfiguration: { targetDomainName: `${name}.target`, hostedZoneId: `${name}.zone` },
    zoneId: `${name}.zone`,
    domainValidationOptions: [
      { resourceRecordName: `_x.${name}`, resourceRecordType: 'CNAME', resourceRecordValue: `_y.${name}` },
    ],
    certificateArn: arn,
    fqdn: `${name}.example.com`,
    ref: `mock/${name}@sha256:0`,
    result: `secret-of-${name}`,
  }
}

/** The environment of a deployment, set by the deployer. */
export const ENVIRONMENT = { ALERT_EMAIL: 'oncall@example.com', COGNIGY_PROJECTS: 'bot=64f1c2d3e4f5a6b7c8d9e0f1' }

/** Looks resources up by type and name. */
export class Lookup {
  readonly resources: readonly Resource[]

  constructor({ resources }: Graph) {
    this.resources = resources
  }

  ofType(type: string): readonly Resource[] {
    return this.resources.filter((resource) => resource.type === type)
  }

  one(type: string, name?: string): Resource {
    const found = this.ofType(type).filter((resource) => name === undefined || resource.name === name)
    if (found.length !== 1) throw new Error(`${found.length} of ${type} ${name ?? ''}, wanted one`)
    return found[0] as Resource
  }

  /** The functions of the image. */
  functions(): readonly Resource[] {
    return this.ofType('aws:lambda/function:Function').filter(({ inputs }) => inputs.packageType === 'Image')
  }

  /** The statements of a role's own policies. */
  policyOf(role: Resource): Statement[] {
    const policies: readonly { readonly policy: string }[] = role.inputs.inlinePolicies ?? []
    return policies.flatMap(({ policy }) => JSON.parse(policy).statements)
  }
}
