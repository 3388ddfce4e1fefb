/** The address of moto_server, which `node scripts/moto.mjs` starts and passes on. */

import { testClient } from '../aws/test-client.ts'

export function motoClient() {
  const url = process.env['MOTO_URL']
  if (url === undefined) throw new Error('MOTO_URL is not set; run node scripts/moto.mjs')
  return testClient(url, 3)
}

/** Names of one run, because moto keeps the resources of earlier ones. */
export function uniqueName(name: string): string {
  return `${name}-${Date.now().toString(36)}`
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
