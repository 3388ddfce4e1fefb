/** The addresses of the services, and the configuration of SDK clients. */

/** The names that requests are signed for. */
export type ServiceName = 's3' | 'sqs' | 'sns' | 'dynamodb' | 'firehose' | 'ssm' | 'logs'

/** The URL of each service. */
export type Endpoints = ReadonlyMap<ServiceName, string>

const ENDPOINT_VARIABLES: readonly (readonly [ServiceName, string])[] = [
  ['s3', 'AWS_ENDPOINT_URL_S3'],
  ['sqs', 'AWS_ENDPOINT_URL_SQS'],
  ['sns', 'AWS_ENDPOINT_URL_SNS'],
  ['dynamodb', 'AWS_ENDPOINT_URL_DYNAMODB'],
  ['firehose', 'AWS_ENDPOINT_URL_FIREHOSE'],
  ['ssm', 'AWS_ENDPOINT_URL_SSM'],
  ['logs', 'AWS_ENDPOINT_URL_CLOUDWATCH_LOGS'],
]

/** Region, credentials and endpoints, as the SDK's own clients read them from the environment. */
export function awsEnvironment(endpoints: Endpoints): Record<string, string> {
  const urls = ENDPOINT_VARIABLES.map(([service, variable]) => [variable, endpoints.get(service) as string])
  return {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    ...Object.fromEntries(urls),
  }
}

/** The SDK sends to the queue URL's own host, so that it has to be the endpoint's. */
export function queueUrlAt(endpoints: Endpoints, name: string): string {
  return `${endpoints.get('sqs')}/000000000000/${name}`
}
