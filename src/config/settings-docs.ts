/** The settings for people: `.env.example` and the README's table, written from the one table there is. */

import { listSettings } from './read-config.ts'
import type { Setting } from './setting.ts'

const HEAD = `# Settings of Millrace, each with its default. Take the # away and change the value.
# Variables that do not exist or do not fit keep the gateway from starting, and it tells all of them at once.
`

/** The whole text of `.env.example`. */
export function formatEnvExample(): string {
  return `${HEAD}\n${listSettings().map(formatVariable).join('\n')}`
}

function formatVariable(setting: Setting<unknown>): string {
  const { variable, kind, help } = setting
  return `# ${help}\n# Wanted: ${kind.wanted}.\n# ${variable}=${kind.format(setting.default)}\n`
}

/** The lines of the README's table. */
export function formatSettingsTable(): string {
  const rows = listSettings().map(({ variable, kind, default: initial, help }) => {
    const written = kind.format(initial)
    return `| \`${variable}\` | ${written === '' ? '–' : `\`${written}\``} | ${help.replaceAll('|', '\\|')} |`
  })
  return ['| Variable | Default | |', '|---|---|---|', ...rows].join('\n')
}
