/** The alert rules of this checkout, which are in the image. */

import { globSync } from 'node:fs'

/** The setting that names them; none without rules. */
export function rulesEnvironment(): { MILLRACE_RULES?: string } {
  return globSync('rules/*/*.{yaml,yml}').length > 0 ? { MILLRACE_RULES: '/var/task/rules' } : {}
}
