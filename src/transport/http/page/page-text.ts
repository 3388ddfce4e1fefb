/** The HTML of the page: included by the build, or read from src/web without a build. */

import { readFileSync } from 'node:fs'

/** Defined by scripts/build.mjs: the text of src/web/index.html. */
declare const MILLRACE_PAGE: string | undefined

export const PAGE_TEXT: string =
  typeof MILLRACE_PAGE === 'string'
    ? MILLRACE_PAGE
    : readFileSync(new URL('../../../web/index.html', import.meta.url), 'utf8')
