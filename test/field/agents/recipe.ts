/** Configurations of docs/clients, made to fit a trial: only addresses and folders differ from what the page says. */

import { readFileSync } from 'node:fs'
import { freePort } from '../../support/gateway-process.ts'

/** Ports that configurations name, next to the gateway's. */
const OTHER_PORTS = ['4317', '4318']

/** The configurations of a page, in their order. */
export function configurationsOf(page: string): string[] {
  const text = readFileSync(`docs/clients/${page}`, 'utf8')
  return [...text.matchAll(/^```(?:yaml|alloy|conf)\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
}

/**
 * The configuration of a page with the gateway at `port` of 127.0.0.1, log files in `<dir>/app` and the agent's own
 * files in `<dir>/state`. Throws where the page has no such configuration.
 */
export async function fitRecipe(page: string, index: number, port: number, dir: string): Promise<string> {
  let text = configurationsOf(page)[index]
  if (text === undefined) throw new Error(`docs/clients/${page} has no configuration ${index + 1}`)
  for (const other of OTHER_PORTS) text = text.replaceAll(`:${other}`, `:${await freePort()}`)
  return text
    .replaceAll('127.0.0.1:3100', `127.0.0.1:${port}`)
    .replaceAll(/^(\s+port: )3100$/gm, `$1${port}`)
    .replaceAll('/var/log/app', `${dir}/app`)
    .replaceAll(/\/var\/lib\/[a-z-]+/g, `${dir}/state`)
}
