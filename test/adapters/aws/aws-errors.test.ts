import t from 'tap'
import { errorName, isMissing, isRetryable, storeFailure } from '../../../src/adapters/aws/aws-errors.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import { awsError } from './stepped-pacing.ts'

const ROWS: [name: string, cause: unknown, code: string, isRetryable: boolean][] = [
  ['throttling', awsError('ThrottlingException'), 'overloaded', true],
  ["S3's throttling", awsError('SlowDown', 503, 'server'), 'overloaded', true],
  ["Firehose's throttling", awsError('ServiceUnavailableException', 503, 'server'), 'overloaded', true],
  ["DynamoDB's throttling", awsError('ProvisionedThroughputExceededException'), 'overloaded', true],
  ['throttling of the SQS key', awsError('KmsThrottled'), 'overloaded', true],
  ['a fault of the service', awsError('InternalServerError', 500, 'server'), 'store_unavailable', true],
  ['no connection', new Error('connect ECONNREFUSED 10.0.0.1:443'), 'store_unavailable', true],
  ['no permission', awsError('AccessDeniedException', 403), 'store_unavailable', false],
  ['a missing stream', awsError('ResourceNotFoundException'), 'store_unavailable', false],
  ['a value that is not an error', 'text', 'store_unavailable', true],
  ['nothing', undefined, 'store_unavailable', true],
]
for (const [name, cause, code, retryable] of ROWS) {
  t.test(`${name} is ${code}, and ${retryable ? 'retryable' : 'permanent'}`, async (t) => {
    const failure = storeFailure('Firehose did not accept a record', cause)
    t.match(failure, { code, cause })
    t.match(failure.message, /^Firehose did not accept a record \(\w+\)/)
    t.notMatch(failure.message, /the text of|10\.0\.0\.1/, "the service's own text may quote data")
    t.equal(isRetryable(cause), retryable)
  })
}

t.test('our own errors are unchanged', async (t) => {
  const own = new GatewayError('store_damaged', 'x')
  t.equal(storeFailure('S3 did not', own), own)
  t.equal(isRetryable(own), false)
})

t.test('a missing object is recognised', async (t) => {
  t.ok(isMissing(awsError('NoSuchKey', 404)))
  t.notOk(isMissing(awsError('AccessDenied', 403)))
})

t.test('an invalid error name is not repeated', async (t) => {
  t.equal(errorName(awsError('a name with {json="in it"}')), 'Error')
})
