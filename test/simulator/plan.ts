/** The plan of a seed: lives, actions and faults as plain JSON, so that parts can be removed. */

import { CUT_MODES, type CutMode } from '../power/disk.ts'
import { Random } from '../support/random.ts'

export const TENANTS = ['shop', 'bank', '__proto__'] as const
export const APPS = ['a', 'b', 'c'] as const
/** The word that filters and deletions search for. */
export const WORD = 'err'

/** How a client continues when the answer is not 2xx. */
export const CLIENTS = ['alloy', 'fluentbit', 'winston', 'hasty', 'program'] as const
export type ClientKind = (typeof CLIENTS)[number]

interface Timed {
  /** From the start of its life. */
  readonly atMs: number
  /** The seed of the action: removing another action does not change it. */
  readonly seed: number
}

export type Action = Timed &
  (
    | {
        readonly kind: 'push'
        readonly client: ClientKind
        readonly tenant: string
        readonly lines: number
        /** Some lines repeat lines of an earlier push. */
        readonly repeats: boolean
        /** Some lines must be refused. */
        readonly isPartlyWrong: boolean
      }
    | {
        readonly kind: 'query'
        readonly tenant: string
        readonly app: string | undefined
        readonly isFiltered: boolean
        readonly isForward: boolean
        readonly limit: number
        /** How long ago the range ends, and its length; undefined: everything. */
        readonly range: { readonly ageMs: number; readonly ms: number } | undefined
        readonly isAborted: boolean
      }
    | { readonly kind: 'measure'; readonly tenant: string; readonly app: string; readonly isFiltered: boolean }
    | { readonly kind: 'tail'; readonly tenant: string; readonly app: string; readonly forMs: number }
    | { readonly kind: 'delete'; readonly tenant: string; readonly app: string; readonly isFiltered: boolean }
    | { readonly kind: 'cancel'; readonly tenant: string }
    | { readonly kind: 'process' }
    /** The wall clock is set forward or back. */
    | { readonly kind: 'set-clock'; readonly ms: number }
    /** Time that passes while nothing runs. */
    | { readonly kind: 'sleep'; readonly hours: number }
  )

export const FAULTS = [
  'sync-error',
  'write-error',
  'short-write',
  'truncate-error',
  'open-error',
  'read-error',
  'disk-full',
  'lost-answers',
] as const
export type FaultKind = (typeof FAULTS)[number]

/** A period of a life in which something fails at random. */
export interface Fault {
  readonly kind: FaultKind
  readonly atMs: number
  readonly forMs: number
  /** The share of calls that fail; for `disk-full` the share of 64 KiB that is left. */
  readonly chance: number
}

/** Between two steps, at a file call, or at a file call of joins, deletions and retention. */
export type KillPlace = 'border' | 'call' | 'upkeep' | 'join'

export interface LifePlan {
  readonly actions: readonly Action[]
  readonly faults: readonly Fault[]
  /** How often the start is killed before it succeeds. */
  readonly startKills: number
  readonly end:
    | { readonly kind: 'stop'; readonly atMs: number }
    | { readonly kind: 'kill'; readonly atMs: number; readonly place: KillPlace }
  /** The power fails after the end. */
  readonly cut: CutMode | undefined
  /** The time until the next start. */
  readonly downMs: number
  /** For kills and cuts. */
  readonly seed: number
}

export interface Plan {
  readonly seed: number
  readonly blockBytes: number
  readonly queueBytesMax: number
  readonly retentionMs: number | undefined
  readonly tenantBytesPerSecond: number | undefined
  readonly checkpointPages: number
  readonly lives: readonly LifePlan[]
  /** Bits of the files that flip after the last life; from then on the gateway must only stay honest. */
  readonly rottenBits: number
}

const DAY_MS = 24 * 3600_000

/** The parameters of one kind of history. */
interface Style {
  readonly livesMax: number
  readonly lifeMsMax: number
  /** The minimum number of actions of a life, and how many more there may be. */
  readonly actions: readonly [least: number, more: number]
  readonly linesMax: number
  /** One tenant, so that it has many blocks. */
  readonly isOneTenant: boolean
  readonly killedAt: readonly KillPlace[]
  readonly cutShare: number
  readonly downMsMax: number
  /** The share of lives after which a process starts that only gets retries, and then the power fails. */
  readonly quietShare: number
}

const STYLES: readonly Style[] = [
  // Everything at once.
  {
    livesMax: 4,
    lifeMsMax: 20_000,
    actions: [3, 22],
    linesMax: 8,
    isOneTenant: false,
    killedAt: ['call', 'call', 'upkeep', 'join', 'border'],
    cutShare: 0.5,
    downMsMax: 6000,
    quietShare: 0.05,
  },
  // Many small pushes, so that there are many blocks to join.
  {
    livesMax: 2,
    lifeMsMax: 20_000,
    actions: [44, 1],
    linesMax: 3,
    isOneTenant: true,
    killedAt: ['upkeep', 'join', 'join', 'call'],
    cutShare: 0.4,
    downMsMax: 6000,
    quietShare: 0.05,
  },
  // Short lives: clients retry before anything else is written.
  {
    livesMax: 5,
    lifeMsMax: 2500,
    actions: [1, 3],
    linesMax: 4,
    isOneTenant: true,
    killedAt: ['call'],
    cutShare: 0.6,
    downMsMax: 300,
    quietShare: 0.5,
  },
]

export function makePlan(seed: number): Plan {
  const random = new Random(seed)
  const style = random.pick(STYLES)
  const isAging = random.chance(0.2)
  const lives = Array.from({ length: 1 + random.integer(style.livesMax) }, () => {
    const life = makeLife(random, style)
    return random.chance(style.quietShare) ? [life, makeQuietLife(random)] : [life]
  }).flat()
  return {
    seed,
    blockBytes: random.pick([400, 4000, 65_536]),
    queueBytesMax: random.chance(0.2) ? 3000 : 1_000_000,
    retentionMs: isAging || random.chance(0.3) ? 2 * DAY_MS : undefined,
    tenantBytesPerSecond: random.chance(0.15) ? 2000 : undefined,
    checkpointPages: random.pick([4, 30, 2000]),
    lives: isAging ? lives.map((life) => withSleep(life, random)) : lives,
    rottenBits: random.chance(0.08) ? 1 + random.integer(40) : 0,
  }
}

function makeLife(random: Random, style: Style): LifePlan {
  const lifeMs = style.lifeMsMax * (0.1 + 0.9 * random.next())
  const [least, more] = style.actions
  const actions = Array.from({ length: least + random.integer(more) }, () =>
    makeAction(random, random.integer(lifeMs), style),
  )
  const isKilled = random.chance(0.8)
  const atMs = Math.floor(lifeMs * (0.3 + 0.7 * random.next()))
  return {
    actions: actions.sort((a, b) => a.atMs - b.atMs),
    faults: random.chance(0.4) ? Array.from({ length: 1 + random.integer(3) }, () => makeFault(random, lifeMs)) : [],
    startKills: random.chance(0.1) ? 1 + random.integer(2) : 0,
    end: isKilled ? { kind: 'kill', atMs, place: random.pick(style.killedAt) } : { kind: 'stop', atMs },
    cut: random.chance(style.cutShare) ? random.pick(CUT_MODES) : undefined,
    downMs: random.integer(random.chance(0.05) ? 120_000 : style.downMsMax),
    seed: random.integer(2 ** 31),
  }
}

function makeQuietLife(random: Random): LifePlan {
  return {
    actions: [],
    faults: [],
    startKills: 0,
    end: { kind: 'kill', atMs: 500 + random.integer(2000), place: 'border' },
    cut: random.pick(CUT_MODES),
    downMs: random.integer(300),
    seed: random.integer(2 ** 31),
  }
}

/** So long that retention deletes some of the lines and keeps others of the same push. */
function withSleep(life: LifePlan, random: Random): LifePlan {
  const atMs = Math.floor(life.end.atMs * random.next())
  const sleep = { atMs, seed: random.integer(2 ** 31), kind: 'sleep' as const, hours: random.pick([46.5, 46.9, 50]) }
  return { ...life, actions: [...life.actions, sleep].sort((a, b) => a.atMs - b.atMs) }
}

function makeFault(random: Random, lifeMs: number): Fault {
  return {
    kind: random.pick(FAULTS),
    atMs: random.integer(lifeMs),
    forMs: 500 + random.integer(8000),
    chance: random.pick([0.02, 0.1, 0.3, 1]),
  }
}

function makeAction(random: Random, atMs: number, style: Style): Action {
  const timed = { atMs, seed: random.integer(2 ** 31) }
  const tenant = style.isOneTenant ? TENANTS[0] : random.zipf(TENANTS)
  const app = random.zipf(APPS)
  const isFiltered = random.chance(0.3)
  const roll = random.next()
  if (roll < 0.56) {
    return {
      ...timed,
      kind: 'push',
      client: random.pick(CLIENTS),
      tenant,
      lines: 1 + random.integer(random.chance(0.1) && !style.isOneTenant ? 60 : style.linesMax),
      repeats: random.chance(0.2),
      isPartlyWrong: random.chance(0.1),
    }
  }
  if (roll < 0.76) {
    return {
      ...timed,
      kind: 'query',
      tenant,
      app: random.chance(0.3) ? undefined : app,
      isFiltered,
      isForward: random.chance(0.5),
      limit: random.chance(0.3) ? 1 + random.integer(20) : 5000,
      range: random.chance(0.4) ? { ageMs: random.integer(20_000), ms: 1 + random.integer(30_000) } : undefined,
      isAborted: random.chance(0.05),
    }
  }
  if (roll < 0.84) return { ...timed, kind: 'measure', tenant, app, isFiltered }
  if (roll < 0.88) return { ...timed, kind: 'tail', tenant, app, forMs: 1000 + random.integer(10_000) }
  if (roll < 0.92) return { ...timed, kind: 'delete', tenant, app, isFiltered }
  if (roll < 0.93) return { ...timed, kind: 'cancel', tenant }
  if (roll < 0.96) return { ...timed, kind: 'process' }
  if (roll < 0.98) return { ...timed, kind: 'set-clock', ms: random.integer(600_000) - 300_000 }
  return { ...timed, kind: 'sleep', hours: random.pick([25, 30, 46.5, 50]) }
}
