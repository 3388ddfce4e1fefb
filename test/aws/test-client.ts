/** How tests make SDK clients: against an endpoint of this process, without retries, so that each call is one call. */

export function testClient(endpoint: string, maxAttempts = 1) {
  return {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts,
  }
}
