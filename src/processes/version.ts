/** The gateway's version. */

import { readFileSync } from 'node:fs'

/** scripts/build.mjs puts the version in its place: a bundle has no package.json beside it. */
declare const MILLRACE_VERSION: string | undefined

/** As package.json has it. */
export const VERSION: string = typeof MILLRACE_VERSION === 'string' ? MILLRACE_VERSION : readVersion()

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
