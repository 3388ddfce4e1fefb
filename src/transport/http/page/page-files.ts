/** The built files of the page: included by the build, or read from web/built without a build. */

import { readdirSync, readFileSync } from 'node:fs'

/** The files by name, in base64; `index.html` is the page. Defined by scripts/build.mjs. */
declare const MILLRACE_PAGE: Readonly<Record<string, string>> | undefined

export const PAGE_FILES: ReadonlyMap<string, Buffer> =
  typeof MILLRACE_PAGE === 'undefined' ? readBuilt() : decode(MILLRACE_PAGE)

function readBuilt(): Map<string, Buffer> {
  const built = new URL('../../../../web/built/', import.meta.url)
  const assets = readdirSync(new URL('assets/', built)).map((name) => `assets/${name}`)
  return new Map(['index.html', ...assets].map((name) => [name, readFileSync(new URL(name, built))]))
}

function decode(files: Readonly<Record<string, string>>): Map<string, Buffer> {
  return new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text, 'base64')]))
}
