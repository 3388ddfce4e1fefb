/** The gateway's version. */

import { readFileSync } from 'node:fs'

/** Replaced by scripts/build.mjs: a bundle has no package.json. */
declare const MILLRACE_VERSION: string | undefined

/** The version in package.json. */
export const VERSION: string = typeof MILLRACE_VERSION === 'string' ? MILLRACE_VERSION : readVersion()

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
