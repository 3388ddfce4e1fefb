/** RuleSource from files that are reloaded when they change: one file, or a folder of files for each tenant. */

import { type BigIntStats, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { GatewayError } from '../../domain/errors.ts'
import type { RuleGroup } from '../../domain/rules/alert-rule.ts'
import { isTenant } from '../../domain/tenant.ts'
import type { Repeat } from '../../kit/repeat.ts'
import type { RuleSource } from '../../ports/rules.ts'
import { parseRulerFile, RULER_FILE_BYTES_MAX, type RuleChecks } from '../../protocol/loki/ruler-file.ts'

/** Events that the rules reader reports. */
export interface RulesEvents {
  /** Files changed, and `groups` groups are in effect. */
  rulesChanged(groups: number): void
  /** A changed file is invalid, and its previous rules stay in effect. Reported once while the fault is the same. */
  rulesRefused(cause: unknown): void
}

export interface RulesFileParts {
  /** When the files are checked for changes. */
  readonly repeat: Repeat
  /** A file for the default tenant, or a folder with a folder of `*.yaml` and `*.yml` for each tenant. */
  readonly path: string
  /** Undefined if every request must name its tenant; then `path` must be a folder. */
  readonly defaultTenant: string | undefined
  /** The interval of groups that do not set one. */
  readonly intervalMs: number
  /** Per tenant, because their limits differ. */
  readonly checksOf: (tenant: string) => RuleChecks
  readonly events: RulesEvents
  /**
   * The effect of invalid files on the start. `throw`: it fails, for a process that evaluates the rules. `report`: they
   * are reported to `events`, and the list is an error until all files are valid.
   */
  readonly faultyStart: 'throw' | 'report'
}

/** How often the files are checked. */
const CHECK_MS = 5_000
const FILES_MAX = 1000
const ENDINGS = ['.yaml', '.yml']

interface FileState {
  readonly tenant: string
  readonly path: string
  readonly state: string
  readonly bytes: bigint
}

interface Loaded {
  /** The state of the file at the last check. */
  readonly state: string
  readonly groups: readonly RuleGroup[]
}

export class RulesFile implements RuleSource {
  readonly #parts: RulesFileParts
  readonly #endChecks: () => void
  #files: ReadonlyMap<string, Loaded> = new Map()
  #groups: readonly RuleGroup[] = []
  /** The last reported fault of the folder itself, while it lasts. */
  #reported: string | undefined

  /** False while not all of the files found at the start are valid. */
  #isUsable = true

  /** Reads all files. Throws config_invalid with all their faults, if `faultyStart` is 'throw'. */
  constructor(parts: RulesFileParts) {
    this.#parts = parts
    const fault = this.#readAll()
    if (fault !== undefined && parts.faultyStart === 'throw') throw fault
    this.#report(fault)
    this.#endChecks = parts.repeat(() => this.check(), CHECK_MS)
  }

  /**
   * Throws config_invalid after a start with invalid files, without their faults, which may belong to other tenants.
   */
  list(): readonly RuleGroup[] {
    if (this.#isUsable) return this.#groups
    throw new GatewayError(
      'config_invalid',
      'the alert rule files are invalid; see the log of the gateway for the faults',
    )
  }

  /** Reloads the files that have changed; also called by a timer. */
  check(): void {
    const { events } = this.#parts
    if (!this.#isUsable) {
      this.#report(this.#readAll())
      if (this.#isUsable) events.rulesChanged(this.#groups.length)
      return
    }
    try {
      const before = this.#groups
      const faults = this.#readChanged(this.#find())
      for (const fault of faults) events.rulesRefused(fault)
      if (this.#groups !== before) events.rulesChanged(this.#groups.length)
      this.#reported = undefined
    } catch (cause) {
      const { message } = cause as Error
      if (message !== this.#reported) events.rulesRefused(cause)
      this.#reported = message
    }
  }

  close(): void {
    this.#endChecks()
  }

  /** Reads every file again; returns all faults as one. */
  #readAll(): GatewayError | undefined {
    this.#files = new Map()
    try {
      const faults = this.#readChanged(this.#find())
      if (faults.length === 0) return undefined
      const text = faults.map(({ message }) => message).join('\n')
      return new GatewayError('config_invalid', text, { cause: faults[0] })
    } catch (cause) {
      // Errors of #find are GatewayErrors already.
      return cause as GatewayError
    }
  }

  #report(fault: GatewayError | undefined): void {
    this.#isUsable = fault === undefined
    if (fault !== undefined && fault.message !== this.#reported) this.#parts.events.rulesRefused(fault)
    this.#reported = fault?.message
  }

  /** Applies new, changed and deleted files; returns the faults of files whose previous rules stay. */
  #readChanged(listed: readonly FileState[]): GatewayError[] {
    const faults: GatewayError[] = []
    const files = new Map<string, Loaded>()
    let hasChanged = listed.length !== this.#files.size
    for (const file of listed) {
      const { path, state } = file
      const before = this.#files.get(path)
      if (before?.state === state) {
        files.set(path, before)
        continue
      }
      try {
        files.set(path, { state, groups: this.#readFile(file) })
        hasChanged = true
      } catch (cause) {
        faults.push(this.#explain(path, cause))
        files.set(path, { state, groups: before?.groups ?? [] })
      }
    }
    this.#files = files
    if (hasChanged) this.#groups = [...files.values()].flatMap(({ groups }) => groups)
    return faults
  }

  #readFile({ tenant, path, bytes }: FileState): readonly RuleGroup[] {
    if (bytes > RULER_FILE_BYTES_MAX) {
      const text = `the file has ${bytes} bytes; the limit is ${RULER_FILE_BYTES_MAX}; split it`
      throw new GatewayError('config_invalid', text)
    }
    const { intervalMs, checksOf } = this.#parts
    const text = readFileSync(path, 'utf8')
    return parseRulerFile(text, { tenant, namespace: basename(path), intervalMs, checks: checksOf(tenant) })
  }

  /** Lists the files, sorted. Throws config_invalid. */
  #find(): readonly FileState[] {
    const { path, defaultTenant } = this.#parts
    try {
      const stats = statSync(path, { bigint: true })
      if (!stats.isDirectory()) return [stateOf(ownerOf(defaultTenant), path, stats)]
      // Names that start with a dot are skipped: Kubernetes uses them for the versions of a mounted folder.
      const tenants = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'))
      return tenants
        .map(({ name }) => name)
        .sort()
        .flatMap((tenant) => this.#findOf(tenant))
    } catch (cause) {
      throw this.#explain(path, cause)
    }
  }

  #findOf(tenant: string): readonly FileState[] {
    const folder = join(this.#parts.path, tenant)
    if (!statSync(folder).isDirectory()) {
      if (!ENDINGS.includes(extname(tenant))) return []
      const text = `"${tenant}" is not in the folder of a tenant; move it there`
      throw new GatewayError('config_invalid', text)
    }
    if (!isTenant(tenant))
      throw new GatewayError('config_invalid', `the name of folder "${tenant}" is not a valid tenant id`)
    const names = readdirSync(folder).filter((name) => ENDINGS.includes(extname(name)) && !name.startsWith('.'))
    if (names.length > FILES_MAX) {
      throw new GatewayError('config_invalid', `folder "${tenant}" has more than ${FILES_MAX} files; join some of them`)
    }
    return names.sort().map((name) => {
      const path = join(folder, name)
      return stateOf(tenant, path, statSync(path, { bigint: true }))
    })
  }

  #explain(path: string, cause: unknown): GatewayError {
    if (cause instanceof GatewayError) {
      return new GatewayError('config_invalid', `MILLRACE_RULES: "${path}": ${cause.message}`, { cause })
    }
    const { code } = cause as NodeJS.ErrnoException
    const text = `MILLRACE_RULES: "${path}" cannot be read (${code}); correct the path or its permissions`
    return new GatewayError('config_invalid', text, { cause })
  }
}

function ownerOf(defaultTenant: string | undefined): string {
  if (defaultTenant !== undefined) return defaultTenant
  const text = 'a single file is for the default tenant, but there is none; use a folder with a folder for each tenant'
  throw new GatewayError('config_invalid', text)
}

function stateOf(tenant: string, path: string, { ino, size, mtimeNs }: BigIntStats): FileState {
  return { tenant, path, state: `${ino} ${size} ${mtimeNs}`, bytes: size }
}
