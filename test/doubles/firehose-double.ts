/** Amazon Data Firehose in process: direct puts, buffers by size and time, delivery into S3, failures on demand. */

import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type {
  CreateDeliveryStreamInput,
  ExtendedS3DestinationConfiguration,
  PutRecordBatchOutput,
} from '@aws-sdk/client-firehose'
import type { Clock } from '../../src/ports/log-store.ts'
import { checkPut, PutQuota, type WireRecord } from './firehose-limits.ts'
import { AwsFailure } from './json-service.ts'
import { ServiceDouble } from './service-double.ts'

export type PutObject = (bucket: string, key: string, body: Uint8Array) => Promise<void>

export interface FirehoseOptions {
  readonly clock: Clock
  readonly port?: number
  /** Writes an object. Rejected objects are kept and retried, as Firehose does for a day. */
  readonly putObject: PutObject
}

interface Buffered {
  /** Arrival of the first record. */
  readonly beganMs: number
  readonly records: Buffer[]
  bytes: number
  /** The earliest time to write it, once it is closed. */
  readyMs: number
}

interface DeliveryStream {
  readonly name: string
  readonly createdMs: number
  readonly bucket: string
  readonly destination: ExtendedS3DestinationConfiguration
  readonly bufferBytesMax: number
  readonly bufferMs: number
  open: Buffered | undefined
  /** Full or due, and not yet in S3. */
  closed: Buffered[]
}

const DEFAULT_BUFFER_SECONDS = 300
const DEFAULT_BUFFER_MIB = 5
const MIB = 1024 * 1024
const NAME = /^[\w.-]{1,64}$/

export class FirehoseDouble extends ServiceDouble {
  readonly #options: FirehoseOptions
  readonly #streams = new Map<string, DeliveryStream>()
  readonly #quota: PutQuota
  #delivering: Promise<void> = Promise.resolve()
  /** True enforces the quota of a stream: requests, records and bytes in a second of the clock. */
  throttles = false
  /** True writes every buffer twice with two names, which at-least-once delivery allows. */
  deliversTwice = false
  /** Called for each buffer, from 0, when it is closed: the extra delay, by which later ones may overtake it. */
  latenessMs: (index: number) => number = () => 0
  #closed = 0
  /** Called for each record of a PutRecordBatch: true fails only that record. */
  failsRecord: (index: number) => boolean = () => false

  private constructor(options: FirehoseOptions) {
    super()
    this.#options = options
    this.#quota = new PutQuota(options.clock)
  }

  static async start(options: FirehoseOptions): Promise<FirehoseDouble> {
    const double = new FirehoseDouble(options)
    return double.serve('Firehose_20150804', double.#operations(), options.port)
  }

  /** Stops the server. Buffered records stay; call `deliver` first to write them. */
  override async stop(): Promise<void> {
    await this.#delivering
    await super.stop()
  }

  /** Accepted bytes that are not in S3 yet. */
  get pendingBytes(): number {
    const buffers = [...this.#streams.values()].flatMap(({ open, closed }) => (open ? [...closed, open] : closed))
    return buffers.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Writes the due buffers, and those that S3 rejected before. Rejects if S3 does. */
  async deliverDue(): Promise<void> {
    await this.#deliver(this.#options.clock.nowMs())
  }

  /** Writes everything buffered. Rejects if S3 does; then it is kept. */
  async deliver(): Promise<void> {
    await this.#deliver(Number.POSITIVE_INFINITY)
  }

  #operations() {
    return {
      CreateDeliveryStream: (input: CreateDeliveryStreamInput) => this.#create(input),
      DescribeDeliveryStream: ({ DeliveryStreamName }: { DeliveryStreamName: string }) =>
        this.#describe(DeliveryStreamName),
      ListDeliveryStreams: () => ({ DeliveryStreamNames: [...this.#streams.keys()], HasMoreDeliveryStreams: false }),
      DeleteDeliveryStream: ({ DeliveryStreamName }: { DeliveryStreamName: string }) => {
        this.#streams.delete(this.#stream(DeliveryStreamName).name)
        return {}
      },
      PutRecord: ({ DeliveryStreamName, Record }: { DeliveryStreamName: string; Record: WireRecord }) =>
        this.#put(DeliveryStreamName, Record),
      PutRecordBatch: ({ DeliveryStreamName, Records }: { DeliveryStreamName: string; Records: WireRecord[] }) =>
        this.#putBatch(DeliveryStreamName, Records),
    }
  }

  #stream(name: string): DeliveryStream {
    const stream = this.#streams.get(name)
    if (stream !== undefined) return stream
    throw new AwsFailure('ResourceNotFoundException', `Firehose ${name} under account 000000000000 not found.`)
  }

  #create(input: CreateDeliveryStreamInput): object {
    const name = input.DeliveryStreamName ?? ''
    if (!NAME.test(name)) throw invalid(`Firehose name ${name} does not match the pattern [a-zA-Z0-9_.-]+`)
    if (this.#streams.has(name)) {
      throw new AwsFailure('ResourceInUseException', `Firehose ${name} under accountId 000000000000 already exists`)
    }
    const destination = input.ExtendedS3DestinationConfiguration
    if (destination?.BucketARN === undefined) throw invalid('the double delivers to an extended S3 destination only')
    const { SizeInMBs = DEFAULT_BUFFER_MIB, IntervalInSeconds = DEFAULT_BUFFER_SECONDS } =
      destination.BufferingHints ?? {}
    checkRange('BufferingHints.SizeInMBs', SizeInMBs, 1, 128)
    checkRange('BufferingHints.IntervalInSeconds', IntervalInSeconds, 0, 900)
    this.#streams.set(name, {
      name,
      createdMs: this.#options.clock.nowMs(),
      bucket: destination.BucketARN.split(':').at(-1) ?? '',
      destination,
      bufferBytesMax: SizeInMBs * MIB,
      bufferMs: IntervalInSeconds * 1000,
      open: undefined,
      closed: [],
    })
    return { DeliveryStreamARN: arnOf(name) }
  }

  #describe(name: string): object {
    const { createdMs, destination } = this.#stream(name)
    return {
      DeliveryStreamDescription: {
        DeliveryStreamName: name,
        DeliveryStreamARN: arnOf(name),
        DeliveryStreamStatus: 'ACTIVE',
        DeliveryStreamType: 'DirectPut',
        VersionId: '1',
        CreateTimestamp: createdMs / 1000,
        Destinations: [{ DestinationId: 'destinationId-000000000001', ExtendedS3DestinationDescription: destination }],
        HasMoreDestinations: false,
      },
    }
  }

  #put(name: string, record: WireRecord): object {
    const stream = this.#stream(name)
    const [data] = checkPut([record]) as [Buffer]
    if (this.throttles && this.#quota.take([data]) === 0) throw slowDown()
    return { RecordId: this.#add(stream, data), Encrypted: false }
  }

  #putBatch(name: string, records: readonly WireRecord[]): object {
    const stream = this.#stream(name)
    const data = checkPut(records)
    const takenCount = this.throttles ? this.#quota.take(data) : data.length
    if (takenCount === 0) throw slowDown()
    const RequestResponses = data.map((bytes, index) => {
      if (index < takenCount && !this.failsRecord(index)) return { RecordId: this.#add(stream, bytes) }
      return { ErrorCode: 'ServiceUnavailableException', ErrorMessage: 'Slow down.' }
    })
    const FailedPutCount = RequestResponses.filter((response) => 'ErrorCode' in response).length
    return { FailedPutCount, Encrypted: false, RequestResponses } satisfies PutRecordBatchOutput
  }

  #add(stream: DeliveryStream, data: Buffer): string {
    const nowMs = this.#options.clock.nowMs()
    stream.open ??= { beganMs: nowMs, records: [], bytes: 0, readyMs: nowMs }
    stream.open.records.push(data)
    stream.open.bytes += data.length
    if (stream.open.bytes >= stream.bufferBytesMax) {
      this.#close(stream, stream.open, nowMs)
      // A failure of S3 is reported to the next request for delivery.
      this.#deliver(nowMs).catch(() => undefined)
    }
    return randomUUID()
  }

  #close(stream: DeliveryStream, buffered: Buffered, promisedMs: number): void {
    buffered.readyMs = promisedMs + this.latenessMs(this.#closed++)
    stream.closed.push(buffered)
    stream.open = undefined
  }

  /** Writes what is due by `untilMs`. */
  #deliver(untilMs: number): Promise<void> {
    const delivery = this.#delivering.then(async () => {
      for (const stream of this.#streams.values()) {
        const { open, bufferMs } = stream
        if (open !== undefined && open.beganMs + bufferMs <= untilMs) this.#close(stream, open, open.beganMs + bufferMs)
        await this.#write(stream, untilMs)
      }
    })
    this.#delivering = delivery.catch(() => undefined)
    return delivery
  }

  async #write(stream: DeliveryStream, untilMs: number): Promise<void> {
    for (const buffered of stream.closed.filter(({ readyMs }) => readyMs <= untilMs)) {
      const joined = Buffer.concat(buffered.records)
      const body = stream.destination.CompressionFormat === 'GZIP' ? gzipSync(joined) : joined
      for (let times = this.deliversTwice ? 2 : 1; times > 0; times--) {
        await this.#options.putObject(stream.bucket, objectKey(stream, buffered.beganMs), body)
      }
      stream.closed = stream.closed.filter((other) => other !== buffered)
    }
  }
}

/**
 * `<prefix>YYYY/MM/DD/HH/<stream>-<version>-YYYY-MM-DD-HH-MM-SS-<uuid><extension>` by the arrival of the oldest record,
 * UTC. See https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html.
 */
function objectKey({ name, destination }: DeliveryStream, beganMs: number): string {
  const iso = new Date(beganMs).toISOString()
  const second = iso.slice(0, 19).replace(/[T:]/g, '-')
  const hour = iso.slice(0, 13).replace(/[T-]/g, '/')
  const extension = destination.FileExtension ?? (destination.CompressionFormat === 'GZIP' ? '.gz' : '')
  return `${destination.Prefix ?? ''}${hour}/${name}-1-${second}-${randomUUID()}${extension}`
}

function arnOf(name: string): string {
  return `arn:aws:firehose:us-east-1:000000000000:deliverystream/${name}`
}

function checkRange(what: string, value: number, min: number, max: number): void {
  if (value < min || value > max) throw invalid(`${what} must be between ${min} and ${max}, not ${value}`)
}

function invalid(message: string): AwsFailure {
  return new AwsFailure('InvalidArgumentException', message)
}

function slowDown(): AwsFailure {
  return new AwsFailure('ServiceUnavailableException', 'Slow down.', 503)
}
