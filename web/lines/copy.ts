/** A line and a query in the forms that people paste: JSON, a curl, a logcli. Never with credentials. */

import { nsOf, type Range } from '../api/loki.ts'
import { addressOf } from '../api/request.ts'
import { tenant } from '../settings.ts'
import { type Entry, isoOf } from './entry.ts'

const shell = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

export const jsonOf = ({ ns, line, stream, metadata }: Entry): string =>
  JSON.stringify({
    timestamp: isoOf(ns),
    ns,
    line,
    labels: stream,
    ...(Object.keys(metadata).length > 0 && { metadata }),
  })

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
