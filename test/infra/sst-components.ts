/** SST's components as far as the configuration uses them: the AWS resources that each declares, with its inputs. */

import { isOutput, unwrap } from './outputs.ts'

/** Declares a resource and returns it, with its properties as outputs. */
export type Declare = (type: string, name: string, args: object) => Record<string, unknown>

type Args = Record<string, unknown>
type Transforms = Readonly<Record<string, Args>> | undefined

const SECONDS: Readonly<Record<string, number>> = { second: 1, minute: 60, hour: 3600, day: 86_400 }
/** CloudWatch's retention in days, by SST's names. */
const RETENTION: Readonly<Record<string, number>> = { '1 week': 7, '1 month': 30 }

export function sstComponents(declare: Declare) {
  /** The prefix of physical names; SST adds a random suffix. */
  const named = (name: string, label = 'name') => ({ [label]: `millrace-${stage()}-${name}` })

  class Bucket {
    readonly nodes: { readonly bucket: Args }
    constructor(name: string, { versioning, transform }: { versioning?: boolean; transform?: Transforms } = {}) {
      const physical = named(`${name}Bucket`.toLowerCase(), 'bucket')
      const isRemoved = stage() !== 'production'
      const bucket = declare('aws:s3/bucket:Bucket', `${name}Bucket`, {
        ...physical,
        ...(isRemoved && { forceDestroy: true }),
        ...transform?.['bucket'],
      })
      const of = { bucket: bucket['bucket'] }
      if (versioning) {
        declare('aws:s3/bucketVersioning:BucketVersioning', `${name}Versioning`, {
          ...of,
          versioningConfiguration: { status: 'Enabled' },
        })
      }
      declare('aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock', `${name}PublicAccessBlock`, {
        ...of,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      })
      const deny = {
        effect: 'Deny',
        actions: ['s3:*'],
        conditions: [{ test: 'Bool', variable: 'aws:SecureTransport', values: ['false'] }],
        resources: [unwrap(bucket['arn']), `${unwrap(bucket['arn'])}/*`],
      }
      declare('aws:s3/bucketPolicy:BucketPolicy', `${name}Policy`, {
        ...of,
        policy: JSON.stringify({ statements: [deny] }),
      })
      this.nodes = { bucket }
    }
    get name() {
      return this.nodes.bucket['bucket']
    }
    get arn() {
      return this.nodes.bucket['arn']
    }
  }

  class Dynamo {
    readonly nodes: { readonly table: Args }
    constructor(name: string, args: Args) {
      const { fields, primaryIndex, globalIndexes, ttl, deletionProtection, transform } = unwrap(args) as {
        fields: Record<string, string>
        primaryIndex: Args
        globalIndexes?: Record<string, Args>
        ttl: string
        deletionProtection: boolean
        transform: Transforms
      }
      const table = declare('aws:dynamodb/table:Table', `${name}Table`, {
        ...named(`${name}Table`),
        attributes: Object.entries(fields).map(([field, type]) => ({
          name: field,
          type: type === 'number' ? 'N' : 'S',
        })),
        billingMode: 'PAY_PER_REQUEST',
        ...primaryIndex,
        streamEnabled: false,
        pointInTimeRecovery: { enabled: true },
        ttl: { attributeName: ttl, enabled: true },
        globalSecondaryIndexes: Object.entries(globalIndexes ?? {}).map(
          ([index, { hashKey, rangeKey, projection }]) => ({
            name: index,
            hashKey,
            rangeKey,
            projectionType: projection === 'keys-only' ? 'KEYS_ONLY' : 'ALL',
          }),
        ),
        deletionProtectionEnabled: deletionProtection,
        ...transform?.['table'],
      })
      this.nodes = { table }
    }
    get name() {
      return this.nodes.table['name']
    }
    get arn() {
      return this.nodes.table['arn']
    }
  }

  class Queue {
    readonly nodes: { readonly queue: Args }
    readonly #name: string
    constructor(name: string, args: Args) {
      const { visibilityTimeout, dlq, transform } = args as {
        visibilityTimeout: string
        dlq?: { queue: unknown; retry: number }
        transform?: Transforms
      }
      const redrive = dlq && { deadLetterTargetArn: unwrap(dlq.queue), maxReceiveCount: dlq.retry }
      this.#name = name
      const queue = declare('aws:sqs/queue:Queue', `${name}Queue`, {
        ...named(`${name}Queue`),
        visibilityTimeoutSeconds: seconds(visibilityTimeout),
        ...(redrive && { redrivePolicy: JSON.stringify(redrive) }),
        ...transform?.['queue'],
      })
      this.nodes = { queue }
    }
    get arn() {
      return this.nodes.queue['arn']
    }
    get url() {
      return this.nodes.queue['url']
    }
    subscribe(functionName: unknown, args: { batch: Args; transform?: Transforms }): void {
      const { size, window, partialResponses } = args.batch as {
        size: number
        window: string
        partialResponses: boolean
      }
      declare('aws:lambda/eventSourceMapping:EventSourceMapping', `${this.#name}SubscriberEventSourceMapping`, {
        eventSourceArn: this.arn,
        functionName,
        batchSize: size,
        maximumBatchingWindowInSeconds: seconds(window),
        functionResponseTypes: partialResponses ? ['ReportBatchItemFailures'] : [],
        ...args.transform?.['eventSourceMapping'],
      })
    }
  }

  class SnsTopic {
    readonly nodes: { readonly topic: Args }
    constructor(name: string, { transform }: { transform?: Transforms } = {}) {
      this.nodes = {
        topic: declare('aws:sns/topic:Topic', `${name}Topic`, { ...named(`${name}Topic`), ...transform?.['topic'] }),
      }
    }
    get arn() {
      return this.nodes.topic['arn']
    }
    get name() {
      return this.nodes.topic['name']
    }
  }

  class CognitoUserPool {
    readonly nodes: { readonly userPool: Args }
    constructor(name: string, { usernames, transform }: { usernames: string[]; transform?: Transforms }) {
      const pool = declare('aws:cognito/userPool:UserPool', `${name}UserPool`, {
        ...named(`${name}UserPool`),
        usernameAttributes: usernames,
        autoVerifiedAttributes: ['email'],
        ...transform?.['userPool'],
      })
      this.nodes = { userPool: pool }
    }
    get id() {
      return this.nodes.userPool['id']
    }
    get arn() {
      return this.nodes.userPool['arn']
    }
    addClient(name: string, { transform }: { transform?: Transforms } = {}) {
      return declare('aws:cognito/userPoolClient:UserPoolClient', `${name}Client`, {
        name,
        userPoolId: this.id,
        ...transform?.['client'],
      })
    }
  }

  class CronV2 {
    constructor(name: string, args: Args) {
      const { schedule, event = {}, retries = 0 } = args
      const invoke = { actions: ['lambda:InvokeFunction'], resources: [unwrap(args['function'])] }
      const role = declare('aws:iam/role:Role', `${name}Role`, {
        ...named(`${name}Role`),
        assumeRolePolicy: {
          Version: '2012-10-17',
          Statement: [{ Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { Service: 'scheduler.amazonaws.com' } }],
        },
        inlinePolicies: [{ name: 'inline', policy: JSON.stringify({ statements: [invoke] }) }],
      })
      declare('aws:scheduler/schedule:Schedule', `${name}Schedule`, {
        ...named(`${name}Schedule`),
        scheduleExpression: schedule,
        flexibleTimeWindow: { mode: 'OFF' },
        state: 'ENABLED',
        target: {
          arn: args['function'],
          roleArn: role['arn'],
          input: JSON.stringify(event),
          retryPolicy: { maximumRetryAttempts: retries },
        },
      })
    }
  }

  class ApiGatewayV2 {
    readonly nodes: { readonly api: Args; readonly logGroup: Args; domainName?: Args }
    readonly url: unknown
    readonly #name: string
    readonly #permitted = new Set<string>()
    constructor(
      name: string,
      args: { accessLog: { retention: string }; domain?: Args; cors: false; transform?: Transforms },
    ) {
      const { accessLog, domain, transform } = args
      this.#name = name
      const api = declare('aws:apigatewayv2/api:Api', `${name}Api`, {
        ...named(`${name}Api`),
        protocolType: 'HTTP',
        corsConfiguration: {},
        ...transform?.['api'],
      })
      const logGroup = declare('aws:cloudwatch/logGroup:LogGroup', `${name}AccessLog`, {
        name: `/aws/vendedlogs/apis/millrace-${stage()}-${name}`,
        retentionInDays: RETENTION[accessLog.retention],
        ...transform?.['logGroup'],
      })
      declare('aws:apigatewayv2/stage:Stage', `${name}Stage`, {
        apiId: api['id'],
        autoDeploy: true,
        name: '$default',
        ...transform?.['stage'],
        accessLogSettings: { destinationArn: logGroup['arn'] },
      })
      this.nodes = { api, logGroup }
      this.url = api['apiEndpoint']
      if (domain === undefined) return
      if (domain['dns'] === false && domain['cert'] === undefined) throw new Error('a domain without DNS needs "cert"')
      const made = declare('aws:apigatewayv2/domainName:DomainName', `${name}DomainName`, {
        domainName: domain['name'],
        domainNameConfiguration: {
          certificateArn: domain['cert'],
          endpointType: 'REGIONAL',
          securityPolicy: 'TLS_1_2',
        },
      })
      declare('aws:apigatewayv2/apiMapping:ApiMapping', `${name}DomainMapping`, {
        apiId: api['id'],
        domainName: made['id'],
        stage: '$default',
      })
      this.nodes.domainName = made
      this.url = `https://${domain['name']}`
    }
    addAuthorizer({ name, jwt }: { name: string; jwt: { issuer: unknown; audiences: unknown[] } }) {
      const id = `${name[0]?.toUpperCase()}${name.slice(1)}`
      const made = declare('aws:apigatewayv2/authorizer:Authorizer', `${this.#name}Authorizer${id}Authorizer`, {
        apiId: this.nodes.api['id'],
        authorizerType: 'JWT',
        identitySources: ['$request.header.Authorization'],
        jwtConfiguration: { audiences: jwt.audiences, issuer: jwt.issuer },
      })
      return { id: made['id'] }
    }
    route(route: string, functionArn: unknown, args: { auth?: { jwt: { authorizer: unknown } } } = {}): void {
      const id = `${this.#name}Route${this.#permitted.size}`
      this.#permitted.add(route)
      declare('aws:lambda/permission:Permission', `${id}Permissions`, {
        action: 'lambda:InvokeFunction',
        function: functionArn,
        principal: 'apigateway.amazonaws.com',
        sourceArn: `${unwrap(this.nodes.api['executionArn'])}/*`,
      })
      const integration = declare('aws:apigatewayv2/integration:Integration', `${id}Integration`, {
        apiId: this.nodes.api['id'],
        integrationType: 'AWS_PROXY',
        integrationUri: functionArn,
        payloadFormatVersion: '2.0',
      })
      declare('aws:apigatewayv2/route:Route', `${id}Route`, {
        apiId: this.nodes.api['id'],
        routeKey: route,
        target: `integrations/${unwrap(integration['id'])}`,
        ...(args.auth === undefined
          ? { authorizationType: 'NONE' }
          : { authorizationType: 'JWT', authorizerId: args.auth.jwt.authorizer }),
      })
    }
  }

  class Secret {
    readonly value: string
    constructor(name: string) {
      this.value = `secret-of-${name}`
    }
  }

  const components = { Bucket, Dynamo, Queue, SnsTopic, CognitoUserPool, CronV2, ApiGatewayV2 }
  return { aws: components, Secret }
}

function stage(): string {
  return (globalThis as unknown as { $app: { stage: string } }).$app.stage
}

/** `5 seconds`: SST's format of a duration. */
function seconds(text: string): number {
  const [, count = '', unit = ''] = /^(\d+) (second|minute|hour|day)s?$/.exec(text) ?? []
  if (isOutput(text) || SECONDS[unit] === undefined) throw new Error(`not a span of time: ${text}`)
  return Number(count) * SECONDS[unit]
}
