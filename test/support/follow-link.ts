/** Follows the links of incidents like a person. */

import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs'
import type { FastifyInstance } from 'fastify'
import { testClient } from '../aws/test-client.ts'

/** The lines in the gateway's response. */
export async function followQuery(app: FastifyInstance, link: string): Promise<string[]> {
  const { pathname, search } = new URL(link, 'http://gateway')
  const response = await app.inject({ url: pathname + search })
  if (response.statusCode !== 200) throw new Error(`${link} was answered ${response.statusCode}: ${response.body}`)
  const { data } = response.json<{ data: { result: { values: [string, string][] }[] } }>()
  return data.result.flatMap(({ values }) => values.map(([, line]) => line))
}

/** The target of a link to CloudWatch's console. */
export function readConsoleLink(link: string): {
  host: string
  region: string | null
  group: string
  params: URLSearchParams
} {
  const { host, searchParams, hash } = new URL(link)
  const place = /^#logsV2:log-groups\/log-group\/([^/]+)\/log-events(.*)$/.exec(hash)
  if (place === null) throw new Error(`${link} is no link to log events`)
  // Each `$` stands for a percent sign; the result is encoded once more.
  const decode = (text: string): string => decodeURIComponent(text.replaceAll('$', '%'))
  const params = new URLSearchParams(decode(place[2] as string))
  return { host, region: searchParams.get('region'), group: decodeURIComponent(decode(place[1] as string)), params }
}

/** The messages that the console shows: the group's events, filtered by pattern and time. */
export async function followConsole(endpoint: string, link: string): Promise<string[]> {
  const { group, params } = readConsoleLink(link)
  const client = new CloudWatchLogs(testClient(endpoint))
  try {
    const { events = [] } = await client.filterLogEvents({
      logGroupName: group,
      startTime: Number(params.get('start')),
      endTime: Number(params.get('end')),
      filterPattern: params.get('filterPattern') ?? '',
    })
    return events.map(({ message = '' }) => message)
  } finally {
    client.destroy()
  }
}
