/** An attack: small inputs that any client can send, and what must hold nevertheless. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GatewayProcess } from '../support/gateway-process.ts'

export interface Attack {
  /** The name of the attack, an argument of run.ts. */
  readonly name: string
  /** What must hold. */
  readonly promise: string
  /** Resolves to a description of the result; throws Broken, or any other error, if the promise does not hold. */
  run(field: Field): Promise<string>
}

/** The promise does not hold. */
export class Broken extends Error {}

export function assertHolds(holds: boolean, seen: string): asserts holds {
  if (!holds) throw new Broken(seen)
}

export interface Start {
  /** The name of the data folder; attacks that restart reuse one. */
  readonly data?: string
  readonly heapMb?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Gateways of one checkout in a temporary folder, for an attack. `clear` stops all of them. */
export class Field {
  /** The folder of the gateway that is attacked. */
  readonly checkout: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'millrace-attack-'))
  readonly #gateways: GatewayProcess[] = []

  /** `checkout`: this one when undefined. */
  constructor(checkout = fileURLToPath(new URL('../..', import.meta.url))) {
    this.checkout = resolve(checkout)
  }

  dataDir(name = 'data'): string {
    return join(this.#folder, name)
  }

  async start({ data, heapMb, env = {} }: Start = {}): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.start({
      dataDir: this.dataDir(data),
      checkout: this.checkout,
      nodeFlags: heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`],
      env,
    })
    this.#gateways.push(gateway)
    return gateway
  }

  async killAll(): Promise<void> {
    for (const gateway of this.#gateways) await gateway.kill()
  }

  async clear(): Promise<void> {
    await this.killAll()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export interface PushOptions {
  readonly tenant?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The status of a push in JSON; 0 if the connection broke. */
export async function pushJson(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  { tenant = 'fake', headers = {} }: PushOptions = {},
): Promise<number> {
  try {
    const response = await fetch(`${url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-scope-orgid': tenant, ...headers },
      body,
    })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

/** Now, in nanoseconds, as text. */
export function nowNs(offset = 0): string {
  return String(BigInt(Date.now()) * 1_000_000n + BigInt(offset))
}
