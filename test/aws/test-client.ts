/** SDK clients for tests: for an endpoint in this process, without retries, so that each call is made once. */

export function testClient(endpoint: string, maxAttempts = 1) {
  return {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts,
  }
}
