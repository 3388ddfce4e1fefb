/** The parts of incidents by home: their store, the key of their ids, and notifiers. Loaded on demand. */

import type { SNS } from '@aws-sdk/client-sns'
import { type IncidentLog, LogNotifier } from '../adapters/outside/log-notifier.ts'
import { SmtpNotifier, smtpTransport } from '../adapters/outside/smtp-notifier.ts'
import { WebhookNotifier } from '../adapters/outside/webhook-notifier.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { KeyedHash } from '../domain/incidents/incident.ts'
import { lazy } from '../kit/lazy.ts'
import type { IncidentStore, LogGroupReader, Notifier } from '../ports/incidents.ts'
import type { Clock } from '../ports/log-store.ts'
import { openCounts, requireTable } from './count-home.ts'
import { deriveKey } from './derived-keys.ts'
import { linkSettings, openHash } from './incident-settings.ts'
import { SYSTEM_PACING } from './machine.ts'

export interface IncidentHome {
  readonly store: IncidentStore
  readonly hash: KeyedHash
  readonly notifiers: readonly Notifier[]
  close(): Promise<void>
}

export interface IncidentHomeLog extends IncidentLog {
  error(facts: object, text: string): void
}

const KEY_FILE = 'incidents.key'
const KEY_BYTES = 32

/** Opens the incident store. Throws store_unavailable or store_damaged, and config_invalid for incomplete settings. */
export async function openIncidentHome(config: Config, clock: Clock, log: IncidentHomeLog): Promise<IncidentHome> {
  const made: { destroy(): void }[] = []
  const notifiers = await openNotifiers(config, clock, log, made)
  const opened = config.service.home === 'aws' ? await openItems(config, clock, made) : await openFile(config, clock)
  return {
    ...opened,
    notifiers,
    close: async () => {
      await opened.store.close()
      for (const client of made) client.destroy()
    },
  }
}

/**
 * For a gateway without incidents, whose blocks are joined without being counted: if incidents are turned on later,
 * counting starts at that time.
 */
export async function forgetCounted({ service }: Config): Promise<void> {
  if (service.home !== 'embedded') return
  const { forgetCountedBlocks } = await import('../adapters/embedded/incident-database.ts')
  forgetCountedBlocks(service.dataDir)
}

type Opened = Pick<IncidentHome, 'store' | 'hash'>

async function openFile({ service, incidents }: Config, clock: Clock): Promise<Opened> {
  const [{ SqliteIncidents }, { loadSecret }] = await Promise.all([
    import('../adapters/embedded/sqlite-incidents.ts'),
    import('../adapters/embedded/secrets.ts'),
  ])
  const hash = openHash(loadSecret(service.dataDir, KEY_FILE, KEY_BYTES))
  return { store: new SqliteIncidents(service.dataDir, incidents.retention, () => clock.nowMs()), hash }
}

async function openItems(config: Config, clock: Clock, made: { destroy(): void }[]): Promise<Opened> {
  const hash = openHash(deriveKey(config, 'incidents'))
  const [{ DynamoIncidents }, { makeAwsClients }] = await Promise.all([
    import('../adapters/aws/incidents/dynamo-incidents.ts'),
    import('./aws-clients.ts'),
  ])
  const clients = makeAwsClients(config.aws)
  made.push(clients)
  const counts = await openCounts(config, clock, clients.items)
  const settings = { table: requireTable(config.aws), ...config.incidents.retention }
  return { store: new DynamoIncidents(clients.items, settings, clock, SYSTEM_PACING, counts), hash }
}

async function openNotifiers(
  config: Config,
  clock: Clock,
  log: IncidentHomeLog,
  made: { destroy(): void }[],
): Promise<readonly Notifier[]> {
  const { notify } = config.incidents
  const links = linkSettings(config)
  const { webhookUrl: url, smtpUrl, mailFrom: from, mailTo: to, snsTopic: topic, timeoutMs } = notify
  const notifiers: Notifier[] = []
  if (notify.log) notifiers.push(new LogNotifier(log))
  if (url !== undefined) {
    notifiers.push(
      new WebhookNotifier({ url, secret: notify.webhookSecret, format: notify.webhookFormat, links }, clock),
    )
  }
  if (smtpUrl !== undefined) {
    if (from === undefined || to.length === 0) {
      const text = 'MILLRACE_ALERT_SMTP_URL needs MILLRACE_ALERT_MAIL_FROM and MILLRACE_ALERT_MAIL_TO; give them too'
      throw new GatewayError('config_invalid', text)
    }
    notifiers.push(new SmtpNotifier({ from, to, links }, smtpTransport(smtpUrl, timeoutMs)))
  }
  if (topic !== undefined) {
    const { SnsNotifier } = await import('../adapters/aws/incidents/sns-notifier.ts')
    const client = lazy(async (): Promise<SNS> => {
      const { SNS: Client } = await import('@aws-sdk/client-sns')
      const sns = new Client({
        maxAttempts: 2,
        requestHandler: { connectionTimeout: 2_000, requestTimeout: timeoutMs },
      })
      made.push(sns)
      return sns
    })
    notifiers.push(new SnsNotifier({ topic, links }, client))
  }
  return notifiers
}

/** Opens a reader of the configured log groups. Calls no service yet. */
export async function openGroupReader({ incidents }: Config): Promise<LogGroupReader> {
  const { CloudWatchGroupReader } = await import('../adapters/aws/incidents/cloudwatch-group-reader.ts')
  const client = lazy(async () => {
    const { CloudWatchLogs } = await import('@aws-sdk/client-cloudwatch-logs')
    return new CloudWatchLogs({ requestHandler: { connectionTimeout: 2_000, requestTimeout: 15_000 } })
  })
  return new CloudWatchGroupReader(client, incidents.cloudWatch.pattern)
}
