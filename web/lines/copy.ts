/** A line and a query in the forms that people paste: JSON, CSV, a curl, a logcli. Never with credentials. */

import { nsOf, type Range } from '../api/loki.ts'
import { addressOf } from '../api/request.ts'
import { tenant } from '../settings.ts'
import type { Entry } from './entry.ts'
import { serviceOf } from './entry.ts'

const shell = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

export const jsonOf = ({ ns, line, stream, metadata }: Entry): string =>
  JSON.stringify({
    timestamp: isoOf(ns),
    ns,
    line,
    labels: stream,
    ...(Object.keys(metadata).length > 0 && { metadata }),
  })

/** RFC 3339 with all nanoseconds. */
export function isoOf(ns: string): string {
  const seconds = new Date(Number(ns.slice(0, -6))).toISOString().slice(0, 19)
  return `${seconds}.${ns.slice(-9)}Z`
}

export function curlOf(query: string, { start, end }: Range): string {
  const url = addressOf('loki/api/v1/query_range')
  const who = tenant.value === '' ? '' : ` -H ${shell(`X-Scope-OrgID: ${tenant.value}`)}`
  return `curl -G ${shell(url.href)}${who} --data-urlencode ${shell(`query=${query}`)} -d start=${nsOf(start)} -d end=${nsOf(end)} -d limit=100`
}

export function logcliOf(query: string, { start, end }: Range): string {
  const base = addressOf('').href.replace(/\/$/, '')
  const who = tenant.value === '' ? '' : ` --org-id=${shell(tenant.value)}`
  return `logcli --addr=${shell(base)}${who} query ${shell(query)} --from=${new Date(start).toISOString()} --to=${new Date(end).toISOString()} --limit=100`
}

/** A cell of CSV by RFC 4180; one that a spreadsheet would take for a formula begins with a quote. */
export function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export const CSV_HEAD = 'timestamp,ns,level,service,line,labels,metadata\r\n'

export const csvOf = (entry: Entry): string =>
  `${[isoOf(entry.ns), entry.ns, entry.level, serviceOf(entry), entry.line, JSON.stringify(entry.stream), JSON.stringify(entry.metadata)].map(cell).join(',')}\r\n`

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

export function saveFile(name: string, type: string, parts: readonly string[]): void {
  const url = URL.createObjectURL(new Blob([...parts], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
