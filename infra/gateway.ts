/** The front door: the Fastify application behind a function URL or an HTTP API. */

import { type Base, createFunction, type ImageFunction, storageEnvironment } from './functions.ts'
import { cursorArns, sourceEnvironment } from './poller.ts'
import { rulesEnvironment } from './rules.ts'

export interface Gateway extends ImageFunction {
  readonly url: $util.Output<string>
  readonly api: sst.aws.ApiGatewayV2 | undefined
}

/** HTTP APIs wait 30 s; the function gives up first, so that its own words reach the client. */
const GATEWAY_SECONDS = 29
const GATEWAY_MEBIBYTES = 1024
/** The cache of queries and what the last of them takes it past its bytes, twice: a full one makes place for another. */
const GATEWAY_DISK_MEBIBYTES = 2048

export function createGateway(base: Base): Gateway {
  const { identity, settings, storage, topic } = base
  const made = createFunction(base, 'Gateway', {
    bundle: 'gateway-lambda',
    seconds: GATEWAY_SECONDS,
    mebibytes: GATEWAY_MEBIBYTES,
    diskMebibytes: GATEWAY_DISK_MEBIBYTES,
    environment: {
      ...storageEnvironment(base),
      ...rulesEnvironment(),
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
    // Who may come is the application's business: passwords and tokens, the same in both homes.
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
  return { ...made, url: url.functionUrl, api: undefined }
}

function behindApi({ settings, storage }: Base, made: ImageFunction): Gateway {
  const { domain, logDays } = settings
  const api = new sst.aws.ApiGatewayV2('Door', {
    accessLog: { retention: logDays <= 7 ? '1 week' : '1 month' },
    ...(domain !== undefined && { domain: { name: domain.name, cert: domain.certificateArn } }),
    transform: {
      stage: { defaultRouteSettings: { throttlingRateLimit: 1000, throttlingBurstLimit: 2000 } },
      ...(storage.key !== undefined && { logGroup: { kmsKeyId: storage.key.arn } }),
    },
  })
  api.route('$default', made.function.arn)
  return { ...made, url: api.url, api }
}
