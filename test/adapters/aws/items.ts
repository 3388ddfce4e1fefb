/** An in-process DynamoDB table, and a client of it that fails where a test says so. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import dynalite from 'dynalite'
import type { Test } from 'tap'

export const TABLE = 'millrace'

/** A table for the test, deleted when it ends. */
export async function openTable(t: Test): Promise<DynamoDBDocument> {
  const server = dynalite({ createTableMs: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new DynamoDB({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  t.teardown(() => {
    client.destroy()
    server.closeAllConnections()
    server.close()
  })
  await client.createTable({
    TableName: TABLE,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
  })
  return DynamoDBDocument.from(client)
}

/** Counts calls, and breaks the connection at one of them: before or after it takes effect. */
export class Breaker {
  calls = 0
  /** The number of the call to break, from 1; 0 for none. */
  at = 0
  isDone = true

  /** Wraps the object so that its functions count as calls. */
  around<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => this.#call(() => Reflect.apply(member, object, args) as Promise<unknown>)
      },
    })
  }

  async #call(work: () => Promise<unknown>): Promise<unknown> {
    const isBroken = ++this.calls === this.at
    if (isBroken && !this.isDone) throw new Error('the connection was cut before the call')
    const result = await work()
    if (isBroken) throw new Error('the connection was cut after the call')
    return result
  }
}
