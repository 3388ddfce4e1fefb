/** What incidents work with: their store, the audit trail, who is told. By home, loaded where it is used. */

import type { SNS } from '@aws-sdk/client-sns'
import { type IncidentLog, LogNotifier } from '../adapters/outside/log-notifier.ts'
import { SmtpNotifier, smtpTransport } from '../adapters/outside/smtp-notifier.ts'
import { WebhookNotifier } from '../adapters/outside/webhook-notifier.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { lazy } from '../kit/lazy.ts'
import type { AuditTrail, CommittedBlocks, IncidentStore, LogGroupReader, Notifier } from '../ports/incidents.ts'
import type { Clock } from '../ports/log-store.ts'
import { SYSTEM_PACING } from './machine.ts'

export interface IncidentHome {
  readonly store: IncidentStore
  /** Undefined where no row for each line is wanted. */
  readonly audit: AuditTrail | undefined
  readonly notifiers: readonly Notifier[]
  /** Where accepted lines are found again after a crash; undefined in the aws home, which has no lines of its own. */
  readonly blocks: CommittedBlocks | undefined
  close(): Promise<void>
}

export interface IncidentHomeLog extends IncidentLog {
  error(facts: object, text: string): void
}

/**
 * Opens the store of incidents. Throws store_unavailable or store_damaged where it cannot be, config_invalid for settings
 * that are not whole.
 */
export async function openIncidentHome(config: Config, clock: Clock, log: IncidentHomeLog): Promise<IncidentHome> {
  const made: { destroy(): void }[] = []
  const notifiers = await openNotifiers(config, clock, log, made)
  const kept = config.service.home === 'aws' ? await openItems(config, clock, made) : await openFile(config, clock, log)
  return {
    ...kept,
    notifiers,
    close: async () => {
      await kept.store.close()
      for (const client of made) client.destroy()
    },
  }
}

type Kept = Pick<IncidentHome, 'store' | 'audit' | 'blocks'>

async function openFile({ service, incidents }: Config, clock: Clock, log: IncidentHomeLog): Promise<Kept> {
  const [{ SqliteIncidents }, { SqliteCommittedBlocks }] = await Promise.all([
    import('../adapters/embedded/sqlite-incidents.ts'),
    import('../adapters/embedded/sqlite-committed-blocks.ts'),
  ])
  const store = new SqliteIncidents(service.dataDir, incidents.retention, () => clock.nowMs())
  const onDamage = (block: number, err: unknown): void => {
    log.error({ block, err }, 'a block cannot be read: its lines raise no incidents')
  }
  const blocks = new SqliteCommittedBlocks(service.dataDir, onDamage)
  return { store, audit: incidents.audit ? store : undefined, blocks }
}

async function openItems(config: Config, clock: Clock, made: { destroy(): void }[]): Promise<Kept> {
  const { aws, incidents } = config
  if (aws.table === undefined) {
    throw new GatewayError('config_invalid', 'incidents of the aws home need MILLRACE_TABLE, not given; set it')
  }
  const [{ DynamoIncidents }, { DynamoAudit }, { makeAwsClients }] = await Promise.all([
    import('../adapters/aws/incidents/dynamo-incidents.ts'),
    import('../adapters/aws/incidents/dynamo-audit.ts'),
    import('./aws-clients.ts'),
  ])
  const clients = makeAwsClients(aws)
  made.push(clients)
  const { retention } = incidents
  const store = new DynamoIncidents(clients.items, { table: aws.table, ...retention }, clock, SYSTEM_PACING)
  const audit = incidents.audit ? new DynamoAudit(clients.items, aws.table, retention.closedKeptMs) : undefined
  return { store, audit, blocks: undefined }
}

async function openNotifiers(
  { incidents }: Config,
  clock: Clock,
  log: IncidentHomeLog,
  made: { destroy(): void }[],
): Promise<readonly Notifier[]> {
  const { notify, links } = incidents
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

/** Reads log groups as the settings say. No service is asked for anything yet. */
export async function openGroupReader({ incidents }: Config): Promise<LogGroupReader> {
  const { CloudWatchGroupReader } = await import('../adapters/aws/incidents/cloudwatch-group-reader.ts')
  const client = lazy(async () => {
    const { CloudWatchLogs } = await import('@aws-sdk/client-cloudwatch-logs')
    return new CloudWatchLogs({ requestHandler: { connectionTimeout: 2_000, requestTimeout: 15_000 } })
  })
  return new CloudWatchGroupReader(client, incidents.cloudWatch.pattern)
}
