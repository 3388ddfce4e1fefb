/**
 * Compaction of the archive: arrivals become files, files of an hour or a day become fewer, old days go. Each step ends with one change of
 * the manifest, which readers see whole or not at all; a process that dies before it leaves objects that nobody reads, and one that dies
 * after it leaves inputs that nobody reads any more.
 */

import { GatewayError } from '../../domain/errors.ts'
import type {
  ArchiveArrivals,
  ArchiveDay,
  ArchiveFile,
  ArchiveManifest,
  BuiltFile,
  DayChange,
  FileBuilder,
  FileObjects,
  GatheredArrivals,
} from '../../ports/archive.ts'
import { planMerges } from './plan-merges.ts'

export interface CompactionWork {
  readonly manifest: ArchiveManifest
  readonly arrivals: ArchiveArrivals
  readonly builder: FileBuilder
  readonly objects: FileObjects
  nowMs(): number
  /** How long entries are kept, ms; undefined: for ever. */
  readonly retentionMs: number | undefined
  readonly reports: CompactionReports
}

/** Events for the log and metrics. Must not throw. */
export interface CompactionReports {
  /** Arrivals became files. */
  sealed(facts: { bucket: number; entries: number; files: number }): void
  /** After a round: all buckets have arrivals up to `ms` before now in files. */
  behind(ms: number): void
  merged(facts: { bucket: number; day: string; from: number; to: number }): void
  /** Files were deleted. */
  removed(facts: { bucket: number; day: string; files: number }): void
  /** The files of a day could not be merged, retired or deleted; the next round tries again. */
  failed(facts: { bucket: number; day: string }, cause: unknown): void
  /** Lines of arrivals cannot be read; the others are compacted. */
  damaged(facts: { bucket: number; entries: number }): void
}

const SPAN_MS = 600_000
const DAY_MS = 86_400_000
/** A push is in its row at most so long after the end of its ten minutes, or it is stored again: see adapters/aws/archive/direct-writes.ts. */
const SEAL_AFTER_MS = 180_000
/** Compressed bytes of arrivals that are built at once. */
const ARRIVAL_BYTES_MAX = 64 * 2 ** 20
/** Longer than any query. */
const RETIRED_MS = 900_000

/** Seals all ten minutes that are over, in every bucket. Rejects like the ports after trying the others; what was sealed stays. */
export async function compactArrivals(work: CompactionWork, signal?: AbortSignal): Promise<void> {
  const buckets = (await work.manifest.buckets()) ?? 0
  let failure: { readonly cause: unknown } | undefined
  let behindMs = 0
  for (let bucket = 0; bucket < buckets; bucket++) {
    try {
      while (signal?.aborted !== true && (await sealNext(work, bucket))) {
        // The next ten minutes.
      }
    } catch (cause) {
      // The other buckets have nothing to do with it.
      failure ??= { cause }
    }
    const state = await work.manifest.state(bucket)
    if (state !== undefined) behindMs = Math.max(behindMs, work.nowMs() - state.sealed * SPAN_MS)
  }
  work.reports.behind(behindMs)
  if (failure !== undefined) throw failure.cause
}

/** Merges files of hours and days that are over, retires days beyond the retention, and deletes what no query reads any more. */
export async function mergeFiles(work: CompactionWork, signal?: AbortSignal): Promise<void> {
  const buckets = (await work.manifest.buckets()) ?? 0
  for (let bucket = 0; bucket < buckets; bucket++) {
    for (const day of await work.manifest.days(bucket)) {
      if (signal?.aborted === true) return
      try {
        await tendDay(work, bucket, day)
      } catch (cause) {
        // The other days have nothing to do with it.
        work.reports.failed({ bucket, day: day.day }, cause)
      }
    }
  }
}

/** False if nothing is left to seal, or another process is sealing. */
async function sealNext(work: CompactionWork, bucket: number): Promise<boolean> {
  const state = await work.manifest.state(bucket)
  const before = Math.floor((work.nowMs() - SEAL_AFTER_MS) / SPAN_MS)
  if (state === undefined || state.sealed >= before) return false
  const { sealed: from } = state
  const { arrivals, files } = await buildArrivals(work, bucket, from, before)
  const { to, entries } = arrivals
  try {
    const isDone = await commitFiles(work, bucket, { from, to }, files)
    if (isDone) {
      work.reports.sealed({ bucket, entries, files: files.length })
    }
    return isDone
  } finally {
    await Promise.all([arrivals.dispose(), work.builder.dispose(files)])
  }
}

/** Builds files of the arrivals; where a line cannot be read, of all that can. */
async function buildArrivals(work: CompactionWork, bucket: number, from: number, before: number) {
  const range = { from, before, bytesMax: ARRIVAL_BYTES_MAX }
  const strict = await buildOf(work, () => work.arrivals.gather(bucket, { ...range, isCareful: false }), false)
  if (strict !== undefined) return strict
  const careful = await buildOf(work, () => work.arrivals.gather(bucket, { ...range, isCareful: true }), true)
  if (careful === undefined)
    throw new GatewayError('store_damaged', 'arrived lines cannot be compacted; look at the log for why')
  work.reports.damaged({ bucket, entries: careful.arrivals.entries })
  return careful
}

/** Undefined if an arrival or a line cannot be read, or not all entries are accounted for; a careful build rejects instead. */
async function buildOf(
  { builder }: CompactionWork,
  gather: () => Promise<GatheredArrivals>,
  isCareful: boolean,
): Promise<{ arrivals: GatheredArrivals; files: readonly BuiltFile[] } | undefined> {
  let arrivals: GatheredArrivals | undefined
  try {
    arrivals = await gather()
    if (arrivals.lines.length === 0) return { arrivals, files: [] }
    const { files, rows } = await builder.build(arrivals.lines)
    if (rows === arrivals.entries) return { arrivals, files }
    await builder.dispose(files)
  } catch (cause) {
    await arrivals?.dispose()
    // A builder has many words for a fault of its input; a fault of the machine is met again by the careful build.
    const mayBeInput = arrivals !== undefined || (cause instanceof GatewayError && cause.code === 'store_damaged')
    if (isCareful || !mayBeInput) throw cause
    return undefined
  }
  await arrivals.dispose()
  return undefined
}

/** False if another process sealed the same, or changed a day meanwhile. */
async function commitFiles(
  work: CompactionWork,
  bucket: number,
  seal: { from: number; to: number },
  built: readonly BuiltFile[],
): Promise<boolean> {
  const facts = { span: seal.to - 1, level: 0 }
  const files = await putFiles(work, bucket, built, facts)
  const days = built.map(({ day }) => day).sort()
  const found = built.length === 0 ? [] : await work.manifest.days(bucket, days[0], days.at(-1))
  const changes = [...new Set(days)].map((day): DayChange => {
    const before = found.find((each) => each.day === day) ?? { day, version: 0, files: [], retired: [] }
    return { before, files: [...before.files, ...files.filter((file) => file.day === day)], retired: before.retired }
  })
  const isDone = await work.manifest.commit(bucket, changes, seal)
  if (!isDone) await work.objects.remove(files.map(({ key }) => key))
  return isDone
}

async function putFiles(
  work: CompactionWork,
  bucket: number,
  built: readonly BuiltFile[],
  facts: Pick<ArchiveFile, 'span' | 'level'>,
): Promise<readonly ArchiveFile[]> {
  const files: ArchiveFile[] = []
  for (const { path, ...file } of built) {
    const key = await work.objects.put(bucket, { path, ...file })
    files.push({ ...file, ...facts, key, committedMs: work.nowMs() })
  }
  return files
}

async function tendDay(work: CompactionWork, bucket: number, day: ArchiveDay): Promise<void> {
  const nowMs = work.nowMs()
  const dayEndMs = Date.parse(`${day.day}T00:00:00Z`) + DAY_MS
  const { retentionMs } = work
  if (retentionMs !== undefined && dayEndMs < nowMs - retentionMs && day.files.length > 0) {
    await work.manifest.commit(bucket, [
      { before: day, files: [], retired: [...day.retired, ...retire(day.files, nowMs)] },
    ])
    return
  }
  let current = day
  for (const { level, files } of planMerges(day.files, dayEndMs, nowMs)) {
    const after = await merge(work, bucket, current, { level, files })
    if (after === undefined) return
    current = after
  }
  const due = current.retired.filter(({ retiredMs }) => retiredMs <= nowMs - RETIRED_MS)
  if (due.length === 0) return
  await work.objects.remove(due.map(({ key }) => key))
  const retired = current.retired.filter((file) => !due.includes(file))
  await work.manifest.commit(bucket, [{ before: current, files: current.files, retired }])
  work.reports.removed({ bucket, day: day.day, files: due.length })
}

/** The day after the merge; undefined if another process changed it. */
async function merge(
  work: CompactionWork,
  bucket: number,
  day: ArchiveDay,
  { level, files }: { readonly level: number; readonly files: readonly ArchiveFile[] },
): Promise<ArchiveDay | undefined> {
  const local = await work.objects.fetch(files.map(({ key }) => key))
  let built: readonly BuiltFile[] = []
  try {
    built = await work.builder.merge(local.paths)
    const span = Math.max(...files.map((file) => file.span))
    const merged = await putFiles(work, bucket, built, { span, level })
    const after = {
      files: [...day.files.filter((file) => !files.includes(file)), ...merged],
      retired: [...day.retired, ...retire(files, work.nowMs())],
    }
    const isDone = await work.manifest.commit(bucket, [{ before: day, ...after }])
    if (!isDone) {
      await work.objects.remove(merged.map(({ key }) => key))
      return undefined
    }
    work.reports.merged({ bucket, day: day.day, from: files.length, to: merged.length })
    return { day: day.day, version: day.version + 1, ...after }
  } finally {
    await Promise.all([local.dispose(), work.builder.dispose(built)])
  }
}

function retire(files: readonly ArchiveFile[], retiredMs: number) {
  return files.map(({ key }) => ({ key, retiredMs }))
}
