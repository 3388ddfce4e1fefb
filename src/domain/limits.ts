/** All limits on pushes and queries, with defaults and reasons. */

const KIB = 1024
const MIB = 1024 * KIB

/**
 * Limits on pushes. The defaults are Loki's documented ones where they protect the store. Where Loki rejects good data only
 * because of its own architecture, the limit is higher or off, and the comment says so.
 */
export interface PushLimits {
  /** A body as it arrives. Loki's distributor.max-recv-msg-size; agents send 1 MiB. */
  readonly bodyBytesMax: number
  /** A body after decompression. Loki allows 5000 MiB; ours must fit the memory of one process. */
  readonly decompressedBytesMax: number
  /** One stream's label text; Loki's own bound. */
  readonly labelTextBytesMax: number
  /** Maximum length of a line; longer lines are rejected, or truncated if lineTruncated. */
  readonly lineBytesMax: number
  readonly lineTruncated: boolean
  /**
   * Maximum age of a line; undefined accepts any age. Loki rejects lines older than 7 days; here old lines cost no more
   * than new ones, so any age is accepted.
   */
  readonly ageMsMax: number | undefined
  /** How far in the future the time of a line may be. */
  readonly futureMsMax: number
  /** Labels of a stream, not counting service_name. For OTLP resource attributes see otlpLabelCountMax. */
  readonly labelCountMax: number
  /** OTLP promotes 18 attributes to labels, which Loki's limit of 15 rejects (grafana/loki #12913). */
  readonly otlpLabelCountMax: number
  readonly labelNameBytesMax: number
  readonly labelValueBytesMax: number
  readonly metadataAllowed: boolean
  /** Structured metadata of one line, detected_level not counted. */
  readonly metadataBytesMax: number
  readonly metadataCountMax: number
  /** Labels that every stream must have. */
  readonly labelsRequired: readonly string[]
  /** Rate and burst of a tenant; undefined: no limit. The store protects itself by queueBytesMax. */
  readonly tenantRate: Rate | undefined
  /** The same for one stream. */
  readonly streamRate: Rate | undefined
  /** Streams of one tenant that received a line within the last hour. */
  readonly activeStreamsMax: number
  /** Entries of one push: a tiny one takes two bytes on the wire, and as much time as any. Agents send some ten thousand. */
  readonly pushEntriesMax: number
  /**
   * Label text of the streams of one push, as characters. Within the limits of one stream, 200 KB in gzip could hold 70 MB of
   * it. An agent's 5000 streams of 300 characters are 1.5 MB.
   */
  readonly pushLabelBytesMax: number
  /** Label text of one tenant's active streams, as characters. */
  readonly activeLabelBytesMax: number
}

export interface Rate {
  readonly bytesPerSecond: number
  readonly burstBytes: number
}

export const PUSH_LIMITS: PushLimits = {
  bodyBytesMax: 100 * MIB,
  decompressedBytesMax: 256 * MIB,
  labelTextBytesMax: 16 * MIB,
  lineBytesMax: 256 * KIB,
  lineTruncated: false,
  ageMsMax: undefined,
  futureMsMax: 10 * 60_000,
  labelCountMax: 15,
  otlpLabelCountMax: 30,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 2048,
  metadataAllowed: true,
  metadataBytesMax: 64 * KIB,
  metadataCountMax: 128,
  labelsRequired: [],
  tenantRate: undefined,
  streamRate: undefined,
  activeStreamsMax: 5000,
  pushEntriesMax: 100_000,
  pushLabelBytesMax: 8 * MIB,
  activeLabelBytesMax: 16 * MIB,
}

/** Limits on reads; Loki's documented defaults. */
export interface QueryLimits {
  /** Maximum length of a query, in bytes. */
  readonly queryBytesMax: number
  /** Maximum number of entries of a log query. */
  readonly entriesMax: number
  /** Longest time range of a query. */
  readonly rangeMsMax: number
  /** Series of one metric query's result. */
  readonly seriesMax: number
  /** Points of one series. */
  readonly pointsMax: number
  /** How long a query may run. */
  readonly timeoutMs: number
}

export const QUERY_LIMITS: QueryLimits = {
  queryBytesMax: 128 * KIB,
  entriesMax: 5000,
  rangeMsMax: 721 * 3600_000,
  seriesMax: 500,
  pointsMax: 11_000,
  timeoutMs: 60_000,
}

/** The limits of one tenant. */
export interface Limits {
  readonly push: PushLimits
  readonly query: QueryLimits
}

/** Lines that retention would delete immediately are rejected by age instead of being dropped silently. */
export function ageWithinRetention(limits: PushLimits, retentionMs: number | undefined): PushLimits {
  const { ageMsMax = Number.POSITIVE_INFINITY } = limits
  return retentionMs === undefined || ageMsMax <= retentionMs ? limits : { ...limits, ageMsMax: retentionMs }
}

/** The strictest of the limits of several tenants, at least one. */
export function strictestLimits(limits: readonly QueryLimits[]): QueryLimits {
  const least = (field: keyof QueryLimits): number => Math.min(...limits.map((each) => each[field]))
  return {
    queryBytesMax: least('queryBytesMax'),
    entriesMax: least('entriesMax'),
    rangeMsMax: least('rangeMsMax'),
    seriesMax: least('seriesMax'),
    pointsMax: least('pointsMax'),
    timeoutMs: least('timeoutMs'),
  }
}

/** Maximum number of distinct refusal texts in a response: an agent logs only its first 1024 bytes. */
export const REFUSAL_TEXTS_MAX = 10
/**
 * Maximum number of refusals of one push whose texts are formatted: formatting millions would delay everything else.
 */
export const REFUSALS_FORMATTED_MAX = 1000
/** What an active stream takes in memory beside its label text. */
export const ACTIVE_STREAM_BYTES = 200
/** A stream is active for an hour after its last line. */
export const STREAM_IDLE_MS = 3600_000
