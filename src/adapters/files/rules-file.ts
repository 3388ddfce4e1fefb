/** RuleSource from files that are read again when they change: one file, or a folder of files for each tenant. */

import { type BigIntStats, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { GatewayError } from '../../domain/errors.ts'
import type { RuleGroup } from '../../domain/rules/alert-rule.ts'
import { isTenant } from '../../domain/tenant.ts'
import type { RuleSource } from '../../ports/rules.ts'
import { parseRulerFile, RULER_FILE_BYTES_MAX, type RuleChecks } from '../../protocol/loki/ruler-file.ts'

/** What the reader of rules tells its owner. */
export interface RulesEvents {
  /** Changed files hold so many groups together, which are in force from now on. */
  rulesChanged(groups: number): void
  /** A changed file cannot be used: its rules stay as they were. Told once while the fault is the same. */
  rulesRefused(cause: unknown): void
}

export interface RulesFileParts {
  /** A file of the default tenant, or a folder with a folder of `*.yaml` and `*.yml` for each tenant. */
  readonly path: string
  /** Undefined where every request names its tenant: there must be a folder then. */
  readonly defaultTenant: string | undefined
  /** Of groups that do not name theirs. */
  readonly intervalMs: number
  /** By tenant, as their limits differ. */
  readonly checksOf: (tenant: string) => RuleChecks
  readonly events: RulesEvents
  /**
   * What invalid files do to the start. `throw`: it fails, as somebody waits for these rules. `report`: they are reported
   * to `events`, and the list is an error until all of them are valid.
   */
  readonly faultyStart: 'throw' | 'report'
}

/** How often the files are looked at. */
const CHECK_MS = 5_000
const FILES_MAX = 1000
const ENDINGS = ['.yaml', '.yml']

interface Found {
  readonly tenant: string
  readonly path: string
  readonly state: string
  readonly bytes: bigint
}

interface Loaded {
  /** The state of the file that was looked at last. */
  readonly state: string
  readonly groups: readonly RuleGroup[]
}

export class RulesFile implements RuleSource {
  readonly #parts: RulesFileParts
  readonly #timer: NodeJS.Timeout
  #files: ReadonlyMap<string, Loaded> = new Map()
  #groups: readonly RuleGroup[] = []
  /** The fault of the folder itself that was told last, while it lasts. */
  #told: string | undefined

  /** False while the files that were there at the start are not all valid. */
  #isUsable = true

  /** Reads all files. Throws config_invalid with the faults of all of them, where a faulty start is to throw. */
  constructor(parts: RulesFileParts) {
    this.#parts = parts
    const fault = this.#readAll()
    if (fault !== undefined && parts.faultyStart === 'throw') throw fault
    this.#report(fault)
    this.#timer = setInterval(() => this.check(), CHECK_MS)
    this.#timer.unref()
  }

  /** Throws config_invalid after a faulty start, without the faults: they may be of other tenants. */
  list(): readonly RuleGroup[] {
    if (this.#isUsable) return this.#groups
    throw new GatewayError(
      'config_invalid',
      'the alert rule files are invalid; see the log of the gateway for the faults',
    )
  }

  /** Looks at the files, and reads those that have changed; also called by a timer. */
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
      this.#told = undefined
    } catch (cause) {
      const { message } = cause as Error
      if (message !== this.#told) events.rulesRefused(cause)
      this.#told = message
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Reads every file, whatever was read before; gives all faults as one. */
  #readAll(): GatewayError | undefined {
    this.#files = new Map()
    try {
      const faults = this.#readChanged(this.#find())
      if (faults.length === 0) return undefined
      const text = faults.map(({ message }) => message).join('\n')
      return new GatewayError('config_invalid', text, { cause: faults[0] })
    } catch (cause) {
      // What #find throws is explained already.
      return cause as GatewayError
    }
  }

  #report(fault: GatewayError | undefined): void {
    this.#isUsable = fault === undefined
    if (fault !== undefined && fault.message !== this.#told) this.#parts.events.rulesRefused(fault)
    this.#told = fault?.message
  }

  /** Takes over what is new, changed or gone; gives the faults of files that stay as they were. */
  #readChanged(found: readonly Found[]): GatewayError[] {
    const faults: GatewayError[] = []
    const files = new Map<string, Loaded>()
    let hasChanged = found.length !== this.#files.size
    for (const file of found) {
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

  #readFile({ tenant, path, bytes }: Found): readonly RuleGroup[] {
    if (bytes > RULER_FILE_BYTES_MAX) {
      const text = `the file has ${bytes} bytes; the limit is ${RULER_FILE_BYTES_MAX}; split it`
      throw new GatewayError('config_invalid', text)
    }
    const { intervalMs, checksOf } = this.#parts
    const text = readFileSync(path, 'utf8')
    return parseRulerFile(text, { tenant, namespace: basename(path), intervalMs, checks: checksOf(tenant) })
  }

  /** The files there are, sorted. Throws config_invalid. */
  #find(): readonly Found[] {
    const { path, defaultTenant } = this.#parts
    try {
      const stats = statSync(path, { bigint: true })
      if (!stats.isDirectory()) return [foundAs(ownerOf(defaultTenant), path, stats)]
      // What begins with a dot is none of ours: Kubernetes keeps the versions of a mounted folder so.
      const tenants = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'))
      return tenants
        .map(({ name }) => name)
        .sort()
        .flatMap((tenant) => this.#findOf(tenant))
    } catch (cause) {
      throw this.#explain(path, cause)
    }
  }

  #findOf(tenant: string): readonly Found[] {
    const folder = join(this.#parts.path, tenant)
    if (!statSync(folder).isDirectory()) {
      if (!ENDINGS.includes(extname(tenant))) return []
      const text = `"${tenant}" lies beside the folders of tenants; move it into the folder of its tenant`
      throw new GatewayError('config_invalid', text)
    }
    if (!isTenant(tenant)) throw new GatewayError('config_invalid', `no tenant can have the name of folder "${tenant}"`)
    const names = readdirSync(folder).filter((name) => ENDINGS.includes(extname(name)) && !name.startsWith('.'))
    if (names.length > FILES_MAX) {
      throw new GatewayError('config_invalid', `folder "${tenant}" has more than ${FILES_MAX} files; join some of them`)
    }
    return names.sort().map((name) => {
      const path = join(folder, name)
      return foundAs(tenant, path, statSync(path, { bigint: true }))
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
  const text = 'a file is of the default tenant, and there is none; name a folder with a folder for each tenant'
  throw new GatewayError('config_invalid', text)
}

function foundAs(tenant: string, path: string, { ino, size, mtimeNs }: BigIntStats): Found {
  return { tenant, path, state: `${ino} ${size} ${mtimeNs}`, bytes: size }
}
