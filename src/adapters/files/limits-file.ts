/** TenantLimits from a file that is reloaded when it changes. */

import { readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { GatewayError } from '../../domain/errors.ts'
import type { Limits } from '../../domain/limits.ts'
import type { Repeat } from '../../kit/repeat.ts'
import type { TenantLimits } from '../../ports/log-store.ts'

/** Events that the file reader reports. */
export interface LimitsEvents {
  /** The file changed, and its limits for `tenants` tenants are in effect. */
  limitsChanged(tenants: number): void
  /** A changed file is invalid, and the previous limits stay in effect. Reported once while the fault is the same. */
  limitsRefused(cause: unknown): void
}

export interface LimitsFileParts {
  /** When the files are checked for changes. */
  readonly repeat: Repeat
  readonly path: string
  /** Parses the text of the file; throws config_invalid. */
  readonly parse: (text: string) => ReadonlyMap<string, Limits>
  /** Limits of tenants that are not in the file. */
  readonly base: Limits
  readonly events: LimitsEvents
}

/** How often the file is checked. */
const CHECK_MS = 5_000
const FILE_BYTES_MAX = 16 * 1024 * 1024

interface FileState {
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
}

export class LimitsFile implements TenantLimits {
  readonly #parts: LimitsFileParts
  readonly #endChecks: () => void
  #byTenant: ReadonlyMap<string, Limits>
  /** The state of the file whose limits are in effect. */
  #state: string
  /** The last reported fault, while it lasts. */
  #reported: string | undefined
  #checking: Promise<void> | undefined

  /** Reads the file. Throws config_invalid if it cannot be read or is invalid, so that the start fails. */
  constructor(parts: LimitsFileParts) {
    this.#parts = parts
    try {
      // The state is read first, so that a change in between is detected by the next check.
      this.#state = stateOf(statSync(parts.path, { bigint: true }))
      this.#byTenant = parts.parse(readFileSync(parts.path, 'utf8'))
    } catch (cause) {
      throw this.#explain(cause)
    }
    this.#endChecks = parts.repeat(() => void this.check(), CHECK_MS)
  }

  of(tenant: string): Limits {
    return this.#byTenant.get(tenant) ?? this.#parts.base
  }

  /** Reloads the file if it has changed; also called by a timer. Calls do not overlap. */
  async check(): Promise<void> {
    this.#checking ??= this.#readChanged().finally(() => {
      this.#checking = undefined
    })
    await this.#checking
  }

  close(): void {
    this.#endChecks()
  }

  async #readChanged(): Promise<void> {
    const { path, parse, events } = this.#parts
    try {
      const state = stateOf(await stat(path, { bigint: true }))
      if (state !== this.#state) {
        this.#byTenant = parse(await readFile(path, 'utf8'))
        this.#state = state
        events.limitsChanged(this.#byTenant.size)
      }
      this.#reported = undefined
    } catch (cause) {
      const failure = this.#explain(cause)
      if (failure.message === this.#reported) return
      this.#reported = failure.message
      events.limitsRefused(failure)
    }
  }

  #explain(cause: unknown): GatewayError {
    const { path } = this.#parts
    if (cause instanceof GatewayError) {
      return new GatewayError('config_invalid', `MILLRACE_TENANT_LIMITS_FILE: "${path}": ${cause.message}`, { cause })
    }
    const { code } = cause as NodeJS.ErrnoException
    const text = `MILLRACE_TENANT_LIMITS_FILE: "${path}" cannot be read (${code}); correct the path or its permissions`
    return new GatewayError('config_invalid', text, { cause })
  }
}

function stateOf({ ino, size, mtimeNs }: FileState): string {
  if (size > FILE_BYTES_MAX) {
    const text = `the file has ${size} bytes; the limit is ${FILE_BYTES_MAX}; set limits for fewer tenants`
    throw new GatewayError('config_invalid', text)
  }
  return `${ino} ${size} ${mtimeNs}`
}
