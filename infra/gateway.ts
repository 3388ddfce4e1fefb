/** The front door: the Fastify application behind a function URL, or behind an HTTP API with Cognito's authorizer. */

import { type Base, createFunction, type ImageFunction, storageEnvironment } from './functions.ts'
import { incidentEnvironment, rowStatements } from './incident-settings.ts'
import { cursorArns, sourceEnvironment } from './poller.ts'
import { rulesEnvironment } from './rules.ts'

export interface Gateway extends ImageFunction {
  readonly url: $util.Output<string>
  /** The target of the CNAME record of the stage's own domain. */
  readonly domainTarget: $util.Output<string> | undefined
  readonly api: sst.aws.ApiGatewayV2 | undefined
}

/** HTTP APIs wait 30 s; the function gives up first, so that its own error reaches the client. */
const GATEWAY_SECONDS = 29
const GATEWAY_MEBIBYTES = 1024
/** Twice the cache of queries, including the excess of the last query: a full cache is replaced by a new one. */
const GATEWAY_DISK_MEBIBYTES = 2048

export function createGateway(base: Base): Gateway {
  const { identity, settings, storage, topic } = base
  const made = createFunction(base, 'Gateway', {
    bundle: 'gateway-lambda',
    seconds: GATEWAY_SECONDS,
    mebibytes: GATEWAY_MEBIBYTES,
    diskMebibytes: GATEWAY_DISK_MEBIBYTES,
    ...(settings.gatewayInstances !== undefined && { concurrency: settings.gatewayInstances }),
    environment: {
      ...storageEnvironment(base),
      ...rulesEnvironment(),
      ...incidentEnvironment(base),
      ...(settings.cognigy.projects.length > 0 && sourceEnvironment(settings)),
      MILLRACE_USERS: $interpolate`ssm:${identity.users.name}`,
      MILLRACE_KEY_SECRET: $interpolate`ssm:${identity.keySecret.name}`,
      // Closing an incident through the API sends a notification too.
      MILLRACE_ALERT_SNS_TOPIC: topic.arn,
      MILLRACE_JWKS_URL: identity.jwksUrl,
      MILLRACE_JWT_ISSUER: identity.issuer,
      MILLRACE_JWT_CLIENT_IDS: identity.client.id,
      MILLRACE_QUERY_TIMEOUT: `${GATEWAY_SECONDS - 2}s`,
    },
    statements: [
      { actions: ['firehose:PutRecordBatch'], resources: [storage.stream.arn] },
      { actions: ['sqs:SendMessage'], resources: [storage.queue.arn] },
      {
        actions: [
          'dynamodb:PutItem',
          'dynamodb:GetItem',
          'dynamodb:Query',
          'dynamodb:UpdateItem',
          'dynamodb:DeleteItem',
          'dynamodb:BatchWriteItem',
          'dynamodb:BatchGetItem',
        ],
        resources: [storage.table.arn, $interpolate`${storage.table.arn}/index/*`],
      },
      ...rowStatements(base),
      { actions: ['s3:GetObject', 's3:PutObject'], resources: [$interpolate`${storage.bucket.arn}/logs/*`] },
      { actions: ['s3:ListBucket'], resources: [storage.bucket.arn] },
      { actions: ['sns:Publish'], resources: [topic.arn] },
      {
        actions: ['ssm:GetParameters', 'ssm:GetParameter'],
        resources: [identity.users.arn, identity.keySecret.arn, ...cursorArns()],
      },
    ],
  })
  return settings.door === 'http-api' ? behindApi(base, made) : behindUrl(made)
}

function behindUrl(made: ImageFunction): Gateway {
  const url = new aws.lambda.FunctionUrl('GatewayUrl', {
    functionName: made.function.name,
    // The application authenticates, with passwords and tokens, the same in both homes.
    authorizationType: 'NONE',
    invokeMode: 'BUFFERED',
  })
  new aws.lambda.Permission('GatewayUrlPublic', {
    function: made.function.name,
    principal: '*',
    action: 'lambda:InvokeFunctionUrl',
    functionUrlAuthType: 'NONE',
  })
  new aws.lambda.Permission('GatewayInvokeByUrl', {
    function: made.function.name,
    principal: '*',
    action: 'lambda:InvokeFunction',
    invokedViaFunctionUrl: true,
  })
  return { ...made, url: url.functionUrl, domainTarget: undefined, api: undefined }
}

/**
 * Routes for which API Gateway itself requires a token. Agents and Grafana use the others with a
 * password, which HTTP API authorizers do not support: there, as behind a function URL, the application authenticates.
 */
export const TOKEN_ROUTES = ['POST /logs', 'GET /logs']

function behindApi({ identity, settings, storage }: Base, made: ImageFunction): Gateway {
  const { domain, logDays, throttle } = settings
  const api = new sst.aws.ApiGatewayV2('Door', {
    accessLog: { retention: logDays <= 7 ? '1 week' : '1 month' },
    // The gateway serves the page itself: no other site needs to call.
    cors: false,
    ...(domain !== undefined && { domain: { name: domain.name, cert: domain.certificateArn, dns: false } }),
    transform: {
      // With its own domain the API has no other address that would bypass it.
      api: { disableExecuteApiEndpoint: domain !== undefined },
      stage: { defaultRouteSettings: { throttlingRateLimit: throttle.rate, throttlingBurstLimit: throttle.burst } },
      ...(storage.key !== undefined && { logGroup: { kmsKeyId: storage.key.arn } }),
    },
  })
  const authorizer = api.addAuthorizer({
    name: 'cognito',
    jwt: { issuer: identity.issuer, audiences: [identity.client.id] },
  })
  for (const route of TOKEN_ROUTES)
    api.route(route, made.function.arn, { auth: { jwt: { authorizer: authorizer.id } } })
  api.route('$default', made.function.arn)
  const domainTarget = domain === undefined ? undefined : api.nodes.domainName.domainNameConfiguration.targetDomainName
  return { ...made, url: api.url, domainTarget, api }
}
