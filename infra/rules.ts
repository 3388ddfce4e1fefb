/** The alert rules of this checkout, which the image carries. */

import { globSync } from 'node:fs'

/** The setting that names them; none where there are none. */
export function rulesEnvironment(): { MILLRACE_RULES?: string } {
  return globSync('rules/*/*.{yaml,yml}').length > 0 ? { MILLRACE_RULES: '/var/task/rules' } : {}
}
