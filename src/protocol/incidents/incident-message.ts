/** Formats notifications: a subject, text, JSON, Slack's blocks. */

import { type Incident, worse } from '../../domain/incidents/incident.ts'
import { countTransitions, type Message, type Notification } from '../../domain/incidents/notification.ts'
import { formatLabels } from '../../domain/labels.ts'
import { formatIncident, formatTime } from './incident-json.ts'
import { type LinkSettings, linksOf } from './incident-links.ts'

/** Maximum number of incidents listed in a digest; the rest are counted. */
const DIGEST_SHOWN = 20
/** Slack's limits: the text of a header, and of a section. */
const SLACK_HEADER_CHARS = 150
const SLACK_SECTION_CHARS = 2900

/** One line: what happened, its severity, and where. At most `charsMax` characters. */
export function formatSubject({ notifications }: Message, charsMax: number): string {
  const [first] = notifications
  const isSingle = first !== undefined && notifications.length === 1
  const text = isSingle
    ? `[${first.transition}] ${first.incident.severity}: ${first.incident.title}`
    : `[digest] ${worstOf(notifications)}: ${countsOf(notifications)}`
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 3).toWellFormed()}...`
}

/** Plain text, for mail. */
export function formatText({ notifications }: Message, links: LinkSettings): string {
  const [first] = notifications
  if (first !== undefined && notifications.length === 1) return formatOne(first, links)
  const shown = notifications.slice(0, DIGEST_SHOWN).map(({ transition, incident }) => {
    const [link] = pagesOf(incident, links)
    return `${transition} ${incident.severity}: ${incident.title}\n  ${incident.count} times, ${link}`
  })
  const more = notifications.length - shown.length
  const rest = more > 0 ? `\n\nand ${more} more` : ''
  return `${countsOf(notifications)} in one minute\n\n${shown.join('\n\n')}${rest}\n`
}

/** `{"id", "transition", "incident"}` for one; `{"id", "digest": [...]}` for several, without sample lines. */
export function formatMessageJson(message: Message, links: LinkSettings): string {
  const isDigest = message.notifications.length > 1
  const items = message.notifications.map((notification) => {
    const { id, transition, createdMs, incident } = notification
    const head = JSON.stringify({ id, transition, at: formatTime(createdMs) })
    // With the lines of hundreds of incidents it would be megabytes, which receivers reject every time.
    const shown = isDigest ? { ...incident, samples: [] } : incident
    return `${head.slice(0, -1)},"incident":${formatIncident(shown, links)}}`
  })
  const [only = ''] = items
  return items.length === 1 ? only : `{"id":${JSON.stringify(message.id)},"digest":[${items.join(',')}]}`
}

/** The body of a Slack incoming webhook; other services accept the same format. */
export function formatSlack(message: Message, links: LinkSettings): string {
  const subject = formatSubject(message, SLACK_HEADER_CHARS)
  const body = formatText(message, links).slice(0, SLACK_SECTION_CHARS).toWellFormed()
  const blocks = [
    { type: 'header', text: { type: 'plain_text', text: subject } },
    // Lines are untrusted: as plain text they cannot mention people or hide the target of a link.
    { type: 'section', text: { type: 'plain_text', text: body } },
    ...slackLink(message, links),
  ]
  return JSON.stringify({ text: escapeSlack(subject), blocks })
}

/** One incident can be opened by a press: plain text has no links. */
function slackLink({ notifications }: Message, links: LinkSettings): readonly object[] {
  const [first] = notifications
  if (first === undefined || notifications.length > 1) return []
  const [link] = pagesOf(first.incident, links)
  if (!/^https?:/.test(link)) return []
  return [{ type: 'section', text: { type: 'mrkdwn', text: `<${escapeSlack(link)}|Open the incident>` } }]
}

function formatOne({ transition, incident }: Notification, links: LinkSettings): string {
  const { severity, title, count, firstSeenMs, lastSeenMs, labels, samples, changedBy } = incident
  const by = transition === 'closed' && changedBy !== undefined ? ` by ${changedBy}` : ''
  const facts = [
    title,
    '',
    `${transition}${by}, severity ${severity}`,
    `seen ${count} times, first ${formatTime(firstSeenMs)}, last ${formatTime(lastSeenMs)}`,
    `labels ${formatLabels(labels)}`,
    ...pagesOf(incident, links),
  ]
  const lines = samples.map(({ ms, line }) => `${formatTime(ms)} ${line}`)
  return `${[...facts, ...(lines.length > 0 ? ['', ...lines] : [])].join('\n')}\n`
}

/**
 * What a person opens, never JSON: the gateway's page, and Grafana or the console of CloudWatch. The first one is a path
 * only if there is no URL.
 */
function pagesOf(incident: Incident, settings: LinkSettings): readonly [string, ...string[]] {
  const { incident: own, query, explore } = linksOf(incident, settings)
  const other = incident.logGroup === undefined ? explore : query
  if (other === undefined) return [own]
  return settings.publicUrl === undefined ? [other] : [own, other]
}

function worstOf(notifications: readonly Notification[]): string {
  return notifications.map(({ incident }) => incident.severity).reduce(worse)
}

function countsOf(notifications: readonly Notification[]): string {
  return [...countTransitions(notifications)].map(([transition, count]) => `${count} ${transition}`).join(', ')
}

function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
