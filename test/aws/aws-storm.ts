/** A storm on the aws home: its store between clients and failing services. */

import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import { SQS } from '@aws-sdk/client-sqs'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import { readConfig } from '../../src/config/read-config.ts'
import type { AwsClients } from '../../src/homes/aws-clients.ts'
import { type AwsEvents, openAws } from '../../src/homes/aws-home.ts'
import { LocalCloud } from '../doubles/local-cloud.ts'
import { Random } from '../support/random.ts'
import { archivedLines } from './archived-lines.ts'
import type { Endpoints, ServiceName } from './endpoints.ts'
import { canSplit } from './fault-batches.ts'
import { CALM, type FaultChances, type Outages, randomFaults, withEach, withOutages } from './fault-plan.ts'
import { type FaultCount, FaultProxy } from './fault-proxy.ts'
import { type StormReport, storm } from './storm.ts'
import { type CompactorFigures, LeapingClock, StormCompactor } from './storm-compactor.ts'
import { storeTarget } from './storm-targets.ts'
import { testClient } from './test-client.ts'
import { UnansweredCalls } from './unanswered-calls.ts'

export interface AwsStormOptions {
  readonly seed: number
  /** Number of pushes of each writer. */
  readonly pushes: number
  /** The cache folder of reads. */
  readonly cacheDir: string
  /** `direct`: with a compactor that is killed again and again. */
  readonly path?: 'firehose' | 'direct'
  readonly chances?: FaultChances
  readonly outages?: Outages
  /** Causes damage after the storm, to check that it is reported. */
  readonly sabotage?: (cloud: LocalCloud) => void
}

export interface AwsStormReport extends StormReport {
  readonly calls: number
  readonly faults: readonly FaultCount[]
  /** Of the direct path. */
  readonly compactor?: CompactorFigures
  /** Damage that the store reported; should be empty. */
  readonly damages: readonly string[]
}

/** About every fourth call fails in some way. */
export const STORMY: FaultChances = {
  throttle: 0.06,
  serverError: 0.04,
  noAnswer: 0.01,
  cutBefore: 0.03,
  cutAfter: 0.04,
  serverErrorAfter: 0.03,
  partial: 0.3,
  delay: 0.05,
}

/**
 * Every tenth call fails. A read of the direct path makes a call for each partition of rows, and each throttle of a write makes the
 * partitions more: with more faults hardly a read would end.
 */
export const STORMY_DIRECT: FaultChances = {
  throttle: 0.01,
  serverError: 0.02,
  noAnswer: 0.001,
  cutBefore: 0.02,
  cutAfter: 0.03,
  serverErrorAfter: 0.02,
  partial: 0.3,
  delay: 0.05,
}

/** Longer than the retries of any adapter, so that whole appends fail. */
export const OUTAGES: Outages = { chance: 0.01, callsMax: 40 }

/** Runs a storm on its own services. Objects and buffers are also written twice occasionally. */
export async function stormAws(options: AwsStormOptions): Promise<AwsStormReport> {
  const random = new Random(options.seed)
  const cloud = await LocalCloud.start()
  const unanswered = new UnansweredCalls()
  const proxy = await FaultProxy.start({
    endpoints: cloud.endpoints,
    seed: options.seed,
    onUnanswered: unanswered.expire,
  })
  const damages: string[] = []
  const clients = makeClients(proxy.endpoints, unanswered)
  const config = readConfig({
    ...cloud.environment(proxy.endpoints),
    MILLRACE_CACHE_DIR: options.cacheDir,
    MILLRACE_ARCHIVE_PATH: options.path ?? 'firehose',
    MILLRACE_ARCHIVE_BUCKETS: '2',
  })
  const clock = new LeapingClock()
  const home = await openAws(config, clock, eventsInto(damages), clients)
  const compactor = options.path === 'direct' ? await StormCompactor.open(config, clients, clock, damages) : undefined
  try {
    const chances = options.chances ?? (options.path === 'direct' ? STORMY_DIRECT : STORMY)
    const plan = withOutages(random, randomFaults(random, chances), options.outages ?? OUTAGES)
    proxy.plan = options.chances === undefined ? withEach(plan, canSplit) : plan
    const report = await storm({
      target: storeTarget(home.ports.store, clock),
      random,
      pushes: options.pushes,
      stir: async () => {
        cloud.firehose.deliversTwice = random.chance(0.3)
        if (random.chance(0.3)) await cloud.firehose.deliver()
        compactor?.stir(random)
      },
      calm: async () => {
        proxy.plan = CALM
        await cloud.deliver()
        await compactor?.finish()
        options.sabotage?.(cloud)
      },
      archived: () => compactor?.lines(cloud) ?? archivedLines(cloud),
      pace: async () => {
        if (compactor !== undefined && random.chance(0.5)) await compactor.nextRound()
      },
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    })
    return {
      ...report,
      calls: proxy.calls,
      faults: proxy.faults,
      damages,
      ...(compactor && { compactor: compactor.figures }),
    }
  } finally {
    await compactor?.close()
    await home.close()
    await proxy.stop()
    await cloud.stop()
  }
}

/** In a storm failed writes are expected; damage is not. */
function eventsInto(damages: string[]): AwsEvents {
  return {
    committed: () => undefined,
    writeFailed: () => undefined,
    maintenanceFailed: (cause) => damages.push(`maintenance: ${cause}`),
    blockDamaged: (blockId) => damages.push(`block ${blockId}`),
    sourceDamaged: (name, why) => damages.push(`${name}: ${why}`),
  }
}

function makeClients(endpoints: Endpoints, unanswered: UnansweredCalls): AwsClients {
  const optionsOf = (service: ServiceName, attempts: number) => ({
    ...testClient(endpoints.get(service) as string),
    requestHandler: unanswered.makeHandler(),
    retryStrategy: impatient(attempts),
  })
  const firehose = new Firehose(optionsOf('firehose', 1))
  const dynamodb = new DynamoDB(optionsOf('dynamodb', 4))
  const sqs = new SQS(optionsOf('sqs', 1))
  const s3 = new S3({ ...optionsOf('s3', 4), forcePathStyle: true })
  const items = DynamoDBDocument.from(dynamodb)
  return {
    firehose: async () => firehose,
    items: async () => items,
    queues: async () => sqs,
    objects: async () => s3,
    destroy: () => {
      for (const client of [firehose, dynamodb, sqs, s3]) client.destroy()
    },
  }
}

/** The SDK's attempts without its waits, which start at half a second after a throttle. */
function impatient(attempts: number) {
  const token = (retries: number) => ({ getRetryCount: () => retries, getRetryDelay: () => 1 })
  return {
    acquireInitialRetryToken: async () => token(0),
    refreshRetryTokenForRetry: async (before: { getRetryCount(): number }, { errorType }: { errorType: string }) => {
      const retries = before.getRetryCount() + 1
      if (errorType === 'CLIENT_ERROR' || retries >= attempts) throw new Error('no try is left')
      return token(retries)
    },
    recordSuccess: () => undefined,
  }
}
