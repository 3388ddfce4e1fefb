/** A proxy between an agent and the gateway: counts responses by status, and reports the moment for a kill. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * When a kill is due: `request` as the bytes of a push pass, `answer` as its answer comes back, which the agent then
 * never sees.
 */
export type Moment = 'request' | 'answer'

const STATUS = /HTTP\/1\.1 (\d{3})/g

export class AgentProxy {
  readonly port: number
  /** Number of responses by status. */
  readonly statuses: Record<string, number> = {}
  /** Connections that the gateway refused. */
  refused = 0
  /** Connections that broke while a request waited for its answer. */
  broken = 0
  readonly #server: Server
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  #armed: { moment: Moment; strike: () => void } | undefined

  private constructor(server: Server, target: number) {
    this.#server = server
    this.#target = target
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (client) => this.#carry(client))
  }

  /** Listens on a free port of 127.0.0.1 and forwards to port `target`. */
  static async start(target: number): Promise<AgentProxy> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new AgentProxy(server, target)
  }

  /** Calls `kill` at the next such moment, and then resolves. `kill` must end the gateway before it returns. */
  strikeAt(moment: Moment, kill: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#armed = {
        moment,
        strike: () => {
          this.#armed = undefined
          kill()
          resolve()
        },
      }
    })
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #carry(client: Socket): void {
    const gateway = connect(this.#target, '127.0.0.1')
    let isWaiting = false
    let isConnected = false
    for (const socket of [client, gateway]) {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    }
    gateway.on('connect', () => {
      isConnected = true
    })
    client.pipe(gateway)
    client.on('data', (chunk) => {
      isWaiting = true
      if (this.#armed?.moment === 'request' && isPush(chunk)) this.#armed.strike()
    })
    gateway.on('data', (chunk) => {
      if (this.#armed?.moment === 'answer') {
        this.#armed.strike()
        isWaiting = false
        this.broken++
        client.resetAndDestroy()
        gateway.destroy()
        return
      }
      isWaiting = false
      for (const [, status = ''] of chunk.toString('latin1').matchAll(STATUS)) {
        this.statuses[status] = (this.statuses[status] ?? 0) + 1
      }
      if (!client.write(chunk)) {
        gateway.pause()
        client.once('drain', () => gateway.resume())
      }
    })
    gateway.on('end', () => client.end())
    client.on('error', () => gateway.destroy())
    client.on('close', () => gateway.destroy())
    gateway.on('error', () => {
      if (!isConnected) this.refused++
      else if (isWaiting) this.broken++
      isWaiting = false
      client.resetAndDestroy()
    })
    gateway.on('close', () => {
      if (isConnected && isWaiting && !client.destroyed) this.broken++
      client.destroySoon()
    })
  }
}

function isPush(chunk: Buffer): boolean {
  return chunk.subarray(0, 5).toString('latin1') === 'POST '
}
