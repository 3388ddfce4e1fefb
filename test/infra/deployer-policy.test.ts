/** docs/deployer-policy.json allows creating, reading and deleting each resource of a deployment, and little more. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { offlineGraph } from './offline-graph.ts'
import type { Resource } from './resource-graph.ts'

interface Statement {
  readonly Sid: string
  readonly Action: readonly string[]
  readonly Resource: readonly string[]
  readonly Condition?: { readonly StringEquals: Readonly<Record<string, readonly string[]>> }
}

const text = readFileSync('docs/deployer-policy.json', 'utf8')
const statements: readonly Statement[] = JSON.parse(text).Statement
/** IAM's quota for all inline policies of a role together, without white space. */
const POLICY_CHARS_MAX = 10_240

const arn = (service: string, resource: string) => `arn:aws:${service}:us-east-1:123456789012:${resource}`
const allOf = (prefix: string, ...verbs: readonly string[]) => verbs.map((verb) => `${prefix}:${verb}`)

/** The provider's calls for a resource of a type, and their targets, by Pulumi's types. A new type needs a row. */
const CALLS: Readonly<
  Record<string, (resource: Resource) => readonly (readonly [actions: readonly string[], on: string])[]>
> = {
  's3/bucket:Bucket': ({ inputs }) => [
    [
      allOf('s3', 'CreateBucket', 'GetBucketLocation', 'PutBucketTagging', 'DeleteBucket'),
      `arn:aws:s3:::${inputs.bucket}`,
    ],
  ],
  's3/bucketVersioning:BucketVersioning': ({ inputs }) => [
    [allOf('s3', 'PutBucketVersioning', 'GetBucketVersioning'), `arn:aws:s3:::${inputs.bucket}`],
  ],
  's3/bucketPublicAccessBlock:BucketPublicAccessBlock': ({ inputs }) => [
    [allOf('s3', 'PutBucketPublicAccessBlock', 'GetBucketPublicAccessBlock'), `arn:aws:s3:::${inputs.bucket}`],
  ],
  's3/bucketPolicy:BucketPolicy': ({ inputs }) => [
    [allOf('s3', 'PutBucketPolicy', 'GetBucketPolicy', 'DeleteBucketPolicy'), `arn:aws:s3:::${inputs.bucket}`],
  ],
  's3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration': ({ inputs }) => [
    [allOf('s3', 'PutEncryptionConfiguration', 'GetEncryptionConfiguration'), `arn:aws:s3:::${inputs.bucket}`],
  ],
  's3/bucketLifecycleConfiguration:BucketLifecycleConfiguration': ({ inputs }) => [
    [allOf('s3', 'PutLifecycleConfiguration', 'GetLifecycleConfiguration'), `arn:aws:s3:::${inputs.bucket}`],
  ],
  'dynamodb/table:Table': ({ inputs }) => [
    [
      allOf('dynamodb', 'CreateTable', 'DescribeTable', 'UpdateTimeToLive', 'UpdateContinuousBackups', 'DeleteTable'),
      arn('dynamodb', `table/${inputs.name}`),
    ],
  ],
  'sqs/queue:Queue': ({ inputs }) => [
    [allOf('sqs', 'CreateQueue', 'SetQueueAttributes', 'GetQueueAttributes', 'DeleteQueue'), arn('sqs', inputs.name)],
  ],
  'sns/topic:Topic': ({ inputs }) => [
    [allOf('sns', 'CreateTopic', 'SetTopicAttributes', 'GetTopicAttributes', 'DeleteTopic'), arn('sns', inputs.name)],
  ],
  'sns/topicSubscription:TopicSubscription': () => [
    [allOf('sns', 'Subscribe', 'GetSubscriptionAttributes', 'Unsubscribe'), arn('sns', 'millrace-dev-AlertsTopic-x')],
  ],
  'kinesis/firehoseDeliveryStream:FirehoseDeliveryStream': ({ inputs }) => [
    [
      allOf(
        'firehose',
        'CreateDeliveryStream',
        'StartDeliveryStreamEncryption',
        'DescribeDeliveryStream',
        'UpdateDestination',
      ),
      arn('firehose', `deliverystream/${inputs.name}`),
    ],
    [['iam:PassRole'], 'arn:aws:iam::123456789012:role/millrace-dev-DeliveryRole-x'],
  ],
  'lambda/function:Function': ({ inputs }) => [
    [
      allOf(
        'lambda',
        'CreateFunction',
        'UpdateFunctionCode',
        'PutFunctionConcurrency',
        'GetFunction',
        'DeleteFunction',
      ),
      arn('lambda', `function:${inputs.name}`),
    ],
    [['iam:PassRole'], 'arn:aws:iam::123456789012:role/millrace-dev-GatewayRole-x'],
    [
      allOf('ecr', 'BatchGetImage', 'GetRepositoryPolicy', 'SetRepositoryPolicy'),
      arn('ecr', 'repository/millrace-dev-images'),
    ],
  ],
  'lambda/functionUrl:FunctionUrl': ({ inputs }) => [
    [
      allOf('lambda', 'CreateFunctionUrlConfig', 'DeleteFunctionUrlConfig'),
      arn('lambda', `function:${inputs.functionName}`),
    ],
  ],
  'lambda/permission:Permission': () => [
    [allOf('lambda', 'AddPermission', 'GetPolicy', 'RemovePermission'), arn('lambda', 'function:millrace-dev-gateway')],
  ],
  'lambda/eventSourceMapping:EventSourceMapping': () => [
    [
      allOf('lambda', 'CreateEventSourceMapping', 'GetEventSourceMapping', 'DeleteEventSourceMapping'),
      arn('lambda', 'event-source-mapping:1'),
    ],
  ],
  'iam/role:Role': ({ name }) => [
    [
      allOf('iam', 'CreateRole', 'GetRole', 'PutRolePolicy', 'TagRole', 'DeleteRolePolicy', 'DeleteRole'),
      `arn:aws:iam::123456789012:role/millrace-dev-${name}-x`,
    ],
  ],
  'scheduler/schedule:Schedule': ({ inputs }) => [
    [
      allOf('scheduler', 'CreateSchedule', 'GetSchedule', 'DeleteSchedule'),
      arn('scheduler', `schedule/default/${inputs.name}`),
    ],
  ],
  'ssm/parameter:Parameter': ({ inputs }) => [
    [
      allOf('ssm', 'PutParameter', 'GetParameter', 'AddTagsToResource', 'DeleteParameter'),
      arn('ssm', `parameter${inputs.name}`),
    ],
  ],
  'secretsmanager/secret:Secret': ({ inputs }) => [
    [
      allOf('secretsmanager', 'CreateSecret', 'DescribeSecret', 'TagResource', 'DeleteSecret'),
      arn('secretsmanager', `secret:${inputs.name}-AbCdEf`),
    ],
  ],
  'secretsmanager/secretVersion:SecretVersion': () => [
    [
      allOf('secretsmanager', 'PutSecretValue', 'GetSecretValue'),
      arn('secretsmanager', 'secret:millrace/dev/first-user-AbCdEf'),
    ],
  ],
  'cloudwatch/logGroup:LogGroup': ({ inputs }) => [
    [
      allOf('logs', 'CreateLogGroup', 'PutRetentionPolicy', 'AssociateKmsKey', 'TagResource', 'DeleteLogGroup'),
      arn('logs', `log-group:${inputs.name}:*`),
    ],
    [['logs:DescribeLogGroups'], arn('logs', 'log-group:*')],
  ],
  'cloudwatch/logStream:LogStream': ({ inputs }) => [
    [allOf('logs', 'CreateLogStream', 'DescribeLogStreams'), arn('logs', `log-group:${inputs.logGroupName}:*`)],
  ],
  'cloudwatch/logMetricFilter:LogMetricFilter': ({ inputs }) => [
    [
      allOf('logs', 'PutMetricFilter', 'DescribeMetricFilters', 'DeleteMetricFilter'),
      arn('logs', `log-group:${inputs.logGroupName}:*`),
    ],
  ],
  'cloudwatch/logSubscriptionFilter:LogSubscriptionFilter': ({ inputs }) => [
    [allOf('logs', 'PutSubscriptionFilter', 'DeleteSubscriptionFilter'), arn('logs', `log-group:${inputs.logGroup}:*`)],
  ],
  'cloudwatch/metricAlarm:MetricAlarm': ({ inputs }) => [
    [
      allOf('cloudwatch', 'PutMetricAlarm', 'DescribeAlarms', 'DeleteAlarms'),
      arn('cloudwatch', `alarm:${inputs.name}`),
    ],
  ],
  'cloudwatch/dashboard:Dashboard': ({ inputs }) => [
    [
      allOf('cloudwatch', 'PutDashboard', 'GetDashboard', 'DeleteDashboards'),
      `arn:aws:cloudwatch::123456789012:dashboard/${inputs.dashboardName}`,
    ],
  ],
  'budgets/budget:Budget': ({ inputs }) => [
    [allOf('budgets', 'ModifyBudget', 'ViewBudget'), `arn:aws:budgets::123456789012:budget/${inputs.name}`],
  ],
  'cognito/userPool:UserPool': () => [
    [allOf('cognito-idp', 'CreateUserPool'), '*'],
    [
      allOf('cognito-idp', 'DescribeUserPool', 'UpdateUserPool', 'DeleteUserPool'),
      arn('cognito-idp', 'userpool/us-east-1_x'),
    ],
  ],
  'cognito/userPoolClient:UserPoolClient': () => [
    [allOf('cognito-idp', 'CreateUserPoolClient', 'DeleteUserPoolClient'), arn('cognito-idp', 'userpool/us-east-1_x')],
  ],
  'cognito/user:User': () => [
    [
      allOf('cognito-idp', 'AdminCreateUser', 'AdminGetUser', 'AdminDeleteUser'),
      arn('cognito-idp', 'userpool/us-east-1_x'),
    ],
  ],
  'ecr/repository:Repository': () => [
    [
      allOf('ecr', 'CreateRepository', 'DescribeRepositories', 'DeleteRepository'),
      arn('ecr', 'repository/millrace-dev-images'),
    ],
  ],
  'ecr/lifecyclePolicy:LifecyclePolicy': () => [
    [allOf('ecr', 'PutLifecyclePolicy', 'GetLifecyclePolicy'), arn('ecr', 'repository/millrace-dev-images')],
  ],
  'kms/key:Key': () => [
    [['kms:CreateKey'], '*'],
    [allOf('kms', 'PutKeyPolicy', 'EnableKeyRotation', 'DescribeKey', 'ScheduleKeyDeletion'), arn('kms', 'key/1')],
    // Firehose and DynamoDB get their grants from the creator of the stream and the table.
    [allOf('kms', 'CreateGrant', 'GenerateDataKey', 'Decrypt'), arn('kms', 'key/1')],
  ],
  'apigatewayv2/api:Api': () => [
    [allOf('apigateway', 'POST'), 'arn:aws:apigateway:us-east-1::/apis'],
    [allOf('apigateway', 'GET', 'PATCH', 'DELETE'), 'arn:aws:apigateway:us-east-1::/apis/x'],
  ],
  'apigatewayv2/stage:Stage': () => [
    [allOf('apigateway', 'POST'), 'arn:aws:apigateway:us-east-1::/apis/x/stages'],
    [allOf('logs', 'CreateLogDelivery', 'PutResourcePolicy'), '*'],
  ],
  'apigatewayv2/route:Route': () => [[allOf('apigateway', 'POST'), 'arn:aws:apigateway:us-east-1::/apis/x/routes']],
  'apigatewayv2/integration:Integration': () => [
    [allOf('apigateway', 'POST'), 'arn:aws:apigateway:us-east-1::/apis/x/integrations'],
  ],
  'apigatewayv2/authorizer:Authorizer': () => [
    [allOf('apigateway', 'POST'), 'arn:aws:apigateway:us-east-1::/apis/x/authorizers'],
  ],
  'apigatewayv2/domainName:DomainName': () => [
    [allOf('apigateway', 'POST'), 'arn:aws:apigateway:us-east-1::/domainnames'],
    [allOf('apigateway', 'GET', 'DELETE'), 'arn:aws:apigateway:us-east-1::/domainnames/logs.example.com'],
  ],
  'apigatewayv2/apiMapping:ApiMapping': () => [
    [allOf('apigateway', 'POST'), 'arn:aws:apigateway:us-east-1::/domainnames/logs.example.com/apimappings'],
  ],
}

const matches = (pattern: string, value: string) =>
  new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(value)

const allowing = (action: string, on: string) =>
  statements.filter(
    ({ Action, Resource }) =>
      Action.some((each) => matches(each, action)) && Resource.some((each) => matches(each, on)),
  )

const domain = { DOMAIN: 'logs.example.com', DOMAIN_CERTIFICATE: 'arn:aws:acm:us-east-1:123456789012:certificate/1' }
const graphs = [await offlineGraph('dev', { INCIDENT_TABLE: 'LogIncidents' }), await offlineGraph('production', domain)]
const resources = graphs.flatMap((graph) => graph.resources).filter(({ type }) => type.startsWith('aws:'))

t.test('a deployer may create, read and delete every resource of dev and production', async (t) => {
  for (const resource of resources) {
    const calls = CALLS[resource.type.slice('aws:'.length)]
    if (calls === undefined) {
      t.fail(`${resource.type}: say here what it needs, and allow it in docs/deployer-policy.json`)
      continue
    }
    for (const [actions, on] of calls(resource)) {
      for (const action of actions) t.not(allowing(action, on).length, 0, `${action} on ${on}`)
    }
  }
})

t.test('resources of others are out of reach', async (t) => {
  const others: readonly (readonly [string, string])[] = [
    ['s3:DeleteBucket', 'arn:aws:s3:::somebody-elses'],
    ['dynamodb:DeleteTable', arn('dynamodb', 'table/orders')],
    ['lambda:UpdateFunctionCode', arn('lambda', 'function:orders')],
    ['iam:PutRolePolicy', 'arn:aws:iam::123456789012:role/admin'],
    ['iam:PassRole', 'arn:aws:iam::123456789012:role/admin'],
    ['iam:CreateUser', 'arn:aws:iam::123456789012:user/x'],
    ['secretsmanager:GetSecretValue', arn('secretsmanager', 'secret:orders/database-AbCdEf')],
    ['ssm:GetParameter', arn('ssm', 'parameter/orders/key')],
    ['logs:DeleteLogGroup', arn('logs', 'log-group:/aws/lambda/orders:*')],
  ]
  for (const [action, on] of others) t.same(allowing(action, on), [], `${action} on ${on}`)
})

t.test(
  'every statement is used, no service is allowed as a whole, and roles are passed only to services that run them',
  async (t) => {
    const services = new Set(
      resources.flatMap((each) => (CALLS[each.type.slice(4)]?.(each) ?? []).flatMap(([all]) => all)),
    )
    const used = new Set([...services].map((action) => action.split(':')[0]))
    for (const { Sid, Action, Condition } of statements) {
      for (const action of Action) {
        t.notMatch(action, /:\*$/, Sid)
        t.ok(used.has(action.split(':')[0]) || action === 'tag:GetResources', `${Sid}: ${action}`)
        if (action === 'iam:PassRole') {
          t.same(Condition?.StringEquals['iam:PassedToService'], [
            'firehose.amazonaws.com',
            'lambda.amazonaws.com',
            'scheduler.amazonaws.com',
          ])
        }
      }
    }
    t.ok(JSON.stringify(JSON.parse(text)).length <= POLICY_CHARS_MAX, 'it fits into a role')
  },
)
