/** Documentation generated from the settings: `.env.example` and the table in the README. */

import { listSettings } from './read-config.ts'
import type { Setting } from './setting.ts'

const HEAD = `# Settings of Millrace, each with its default. To change one, remove the # and edit the value.
# The gateway does not start if a variable is unknown or its value is invalid; it reports all of them.
`

/** The whole text of `.env.example`. */
export function formatEnvExample(): string {
  return `${HEAD}\n${listSettings().map(formatVariable).join('\n')}`
}

function formatVariable(setting: Setting<unknown>): string {
  const { variable, kind, help } = setting
  return `# ${help}\n# Format: ${kind.expected}.\n# ${variable}=${kind.format(setting.default)}\n`
}

/** The lines of the README's table. */
export function formatSettingsTable(): string {
  const rows = listSettings().map(({ variable, kind, default: initial, help }) => {
    const written = kind.format(initial)
    return `| \`${variable}\` | ${written === '' ? '–' : `\`${written}\``} | ${help.replaceAll('|', '\\|')} |`
  })
  return ['| Variable | Default | |', '|---|---|---|', ...rows].join('\n')
}
