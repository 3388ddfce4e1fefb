/** What a web page of another origin makes a browser send to a gateway on the same machine. */

import { request } from 'node:http'
import { type Attack, assertHolds, type Field, nowNs } from './attack.ts'

interface Try {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** The status; undefined if the connection broke. `fetch` would refuse to send some of these headers. */
function statusOf(url: string, { method, path, headers, body }: Try): Promise<number | undefined> {
  return new Promise((resolve) => {
    const sent = request(`${url}${path}`, { method, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    sent.on('error', () => resolve(undefined))
    sent.end(body)
  })
}

const LABELS = '/loki/api/v1/labels'
const PUSH = '/loki/api/v1/push'
const DELETE = `/loki/api/v1/delete?query=${encodeURIComponent('{app="shop"}')}&start=0`
const basic = `Basic ${Buffer.from('ann:secret').toString('base64')}`

/** Without credentials. `port` is the gateway's. */
function withoutPassword(port: number): readonly Try[] {
  const host = `localhost:${port}`
  const body = JSON.stringify({ streams: [{ stream: { app: 'shop' }, values: [[nowNs(), 'forged']] }] })
  const json = { host, 'content-type': 'application/json' }
  return [
    {
      name: 'a read by a page of another port of this machine',
      method: 'GET',
      path: LABELS,
      headers: { host, origin: 'http://localhost:1' },
    },
    {
      name: 'a read that the browser marks as cross-site',
      method: 'GET',
      path: LABELS,
      headers: { host, 'sec-fetch-site': 'cross-site' },
    },
    {
      name: 'a push by a page of another port',
      method: 'POST',
      path: PUSH,
      headers: { ...json, origin: 'http://localhost:1' },
      body,
    },
    {
      name: 'a push that the browser marks as cross-site',
      method: 'POST',
      path: PUSH,
      headers: { ...json, 'sec-fetch-site': 'cross-site' },
      body,
    },
    {
      name: 'a read by a name that points to this machine',
      method: 'GET',
      path: LABELS,
      headers: { host: 'evil.example' },
    },
    {
      name: 'a delete request by a form',
      method: 'POST',
      path: DELETE,
      headers: { host, 'content-type': 'application/x-www-form-urlencoded' },
    },
  ]
}

/** With the password that a browser remembers. */
function withPassword(port: number): readonly Try[] {
  const host = `localhost:${port}`
  const form = { host, authorization: basic, 'content-type': 'application/x-www-form-urlencoded' }
  return [
    { name: 'a delete request by a form, with the remembered password', method: 'POST', path: DELETE, headers: form },
  ]
}

async function findTaken(field: Field): Promise<string[]> {
  const taken: string[] = []
  const tryAll = async (url: string, tries: readonly Try[]): Promise<void> => {
    for (const each of tries) {
      const status = await statusOf(url, each)
      if (status !== 403) taken.push(`${each.name}: ${status}`)
    }
  }
  const open = await field.start({ data: 'open' })
  await tryAll(open.url, withoutPassword(open.port))
  const closed = await field.start({ data: 'closed', env: { MILLRACE_USERS: 'ann:secret' } })
  await tryAll(closed.url, withPassword(closed.port))
  return taken
}

export const otherOrigin: Attack = {
  name: 'other-origin',
  promise: 'what a page of another origin can make a browser send is answered 403',
  async run(field) {
    const taken = await findTaken(field)
    const count = withoutPassword(0).length + withPassword(0).length
    assertHolds(taken.length === 0, `${taken.length} of ${count} were served: ${taken.join('; ')}`)
    return `${count} of ${count} answered 403`
  },
}
