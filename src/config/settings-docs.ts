/** Documentation generated from the settings: `.env.example`, docs/settings.md and the short table in the README. */

import { listGroups, listSettings } from './read-config.ts'
import type { Setting } from './setting.ts'
import type { SETTINGS } from './settings.ts'

const HEAD = `# Settings of Millrace, each with its default. To change one, remove the # and edit the value.
# The gateway does not start if a variable is unknown or its value is invalid; it reports all of them.
`

/** The heading of each group, and a page with more about it. */
const GROUPS: Readonly<Record<keyof typeof SETTINGS, readonly [title: string, page?: string]>> = {
  service: ['Start and storage', 'architecture.md'],
  http: ['Address and requests', 'hosting/README.md'],
  push: ['Pushes and their limits', 'loki-compatibility.md'],
  query: ['Queries and their limits', 'loki-compatibility.md'],
  tenants: ['Tenants', 'security.md'],
  cache: ['Cached results'],
  auth: ['Credentials', 'security.md'],
  store: ['Storage on one machine', 'operations.md'],
  aws: ['Storage in AWS', 'aws-home.md'],
  poll: ['Polling Cognigy', 'poller.md'],
  incidents: ['Incidents and notifications', 'incidents.md'],
  rules: ['Alert rules and anomalies', 'alert-rules.md'],
}

/** The settings that most installations look at, for the README. */
const FIRST = [
  'MILLRACE_HOST',
  'MILLRACE_PORT',
  'MILLRACE_DATA_DIR',
  'MILLRACE_USERS',
  'MILLRACE_RETENTION_AGE',
  'MILLRACE_RETENTION_BYTES',
  'MILLRACE_LOG_LEVEL',
  'MILLRACE_PUBLIC_URL',
  'MILLRACE_ALERT_WEBHOOK_URL',
  'MILLRACE_HOME',
]

/** The whole text of `.env.example`. */
export function formatEnvExample(): string {
  return `${HEAD}\n${listSettings().map(formatVariable).join('\n')}`
}

function formatVariable(setting: Setting<unknown>): string {
  const { variable, kind, help } = setting
  return `# ${help}\n# Format: ${kind.expected}.\n# ${variable}=${kind.format(setting.default)}\n`
}

/** The whole text of docs/settings.md. */
export function formatSettingsPage(): string {
  const parts = listGroups().map(([name, settings]) => {
    const [title, page] = GROUPS[name]
    const more = page === undefined ? '' : `More: [${page}](${page}).\n\n`
    return `## ${title}\n\n${more}${formatTable(settings)}\n`
  })
  return `# Settings

Every setting is an environment variable, read once at startup. Empty means unset. Invalid and unknown variables are reported with
what was expected, and the gateway does not start. \`.env.example\` has the same list with the format of each value.

This page is written by \`scripts/make-settings-docs.mjs\` from \`src/config\`; the variables of the command line are in
[query.md](query.md).

${parts.join('\n')}`
}

/** The lines of the README's table. */
export function formatFirstSettings(): string {
  const settings = listSettings()
  return formatTable(FIRST.flatMap((name) => settings.filter(({ variable }) => variable === name)))
}

function formatTable(settings: readonly Setting<unknown>[]): string {
  const rows = settings.map(({ variable, kind, default: initial, help }) => {
    const written = kind.format(initial)
    return `| \`${variable}\` | ${written === '' ? '–' : `\`${written}\``} | ${help.replaceAll('|', '\\|')} |`
  })
  return ['| Variable | Default | |', '|---|---|---|', ...rows].join('\n')
}
