/** The page's text: put in by the build, read from src/web where nothing was built. */

import { readFileSync } from 'node:fs'

/** What scripts/build.mjs defines: the text of src/web/index.html. */
declare const MILLRACE_PAGE: string | undefined

export const PAGE_TEXT: string =
  typeof MILLRACE_PAGE === 'string'
    ? MILLRACE_PAGE
    : readFileSync(new URL('../../../web/index.html', import.meta.url), 'utf8')
