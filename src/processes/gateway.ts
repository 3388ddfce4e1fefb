/** Assembles a gateway: the application, incidents, alert rules and polled sources. */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { QueryTurns } from '../flows/query/query-turns.ts'
import { type Home, openHome } from '../homes/home.ts'
import { forgetCounted } from '../homes/incident-home.ts'
import { linkSettings } from '../homes/incident-settings.ts'
import { SYSTEM_CLOCK, SYSTEM_HEAP } from '../homes/machine.ts'
import type { Settings } from '../homes/references.ts'
import type { IncidentStore } from '../ports/incidents.ts'
import type { Ports } from '../ports/log-store.ts'
import { exportIncidentMetrics } from '../telemetry/incident-metrics.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { SourceMetrics } from '../telemetry/source-metrics.ts'
import { WatchMetrics } from '../telemetry/watch-metrics.ts'
import { type AppParts, buildApp } from '../transport/http/app.ts'
import { THREAD } from '../transport/http/thread.ts'
import { homeEvents, rotationEvents } from './home-events.ts'
import { type Incidents, openIncidents, readApplied, startIncidents } from './incidents.ts'
import { requestLog } from './log.ts'
import { openPoller } from './poller.ts'
import { countPushes } from './push-counts.ts'
import { viewRuleFiles } from './rule-files.ts'
import { VERSION } from './version.ts'
import { openWatch } from './watch.ts'

export interface Gateway {
  readonly app: Awaited<ReturnType<typeof buildApp>>
  readonly metrics: Metrics
  /** Finishes accepted work and closes all parts, in the order of their dependencies. */
  close(): Promise<void>
}

interface Opened {
  readonly config: Config
  readonly clock: Ports['clock']
  readonly log: Logger
  readonly metrics: Metrics
  /** Shared by user queries and alert rules. */
  readonly turns: QueryTurns
  /** Called in order; the last opened part is first. */
  readonly closers: (() => Promise<void> | void)[]
}

/** Below this heap the gateway does not start. */
const HEAP_BYTES_MIN = 128 * 2 ** 20

/**
 * Opens everything. In the embedded home this process raises incidents for the lines it accepts, evaluates rules and
 * polls. In the aws home other processes do that, and the gateway shows their results. Throws config_invalid,
 * store_unavailable and store_damaged, and then leaves nothing open.
 */
export async function openGateway({ config, openUsers }: Settings, log: Logger): Promise<Gateway> {
  assertHeap()
  const clock = SYSTEM_CLOCK
  const opened: Opened = { config, clock, log, metrics: new Metrics(), turns: new QueryTurns(THREAD), closers: [] }
  const { metrics, turns, closers } = opened
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer()
  }
  try {
    const home = await openHome(config, clock, homeEvents(metrics, log))
    closers.push(() => home.close())
    const incidents = await openGatewayIncidents(opened)
    const ports = await countLines(opened, home, incidents)
    const rules = incidents && openRules(opened, ports, incidents)
    const poller = await pollSources(opened, ports)
    const app = await buildApp({
      ports,
      config,
      keys: home.keys,
      users: openUsers({ clock, random: Math.random, events: rotationEvents(metrics, log) }),
      metrics,
      turns,
      version: VERSION,
      heap: SYSTEM_HEAP,
      rules,
      incidents: incidents && {
        store: readStore(config, incidents),
        desk: incidents.desk,
        links: linkSettings(config),
      },
      poller,
      logger: requestLog(config, log),
    })
    closers.push(() => app.close())
    return { app, metrics, close }
  } catch (cause) {
    await close()
    throw cause
  }
}

/** In the aws home the alert processor applies counts: a gateway that is asked does not do its work. */
function readStore({ service }: Config, incidents: Incidents): Pick<IncidentStore, 'find' | 'list'> {
  return service.home === 'embedded' ? readApplied(incidents) : incidents.home.store
}

/** A smaller heap is nearly full before anything is stored. */
function assertHeap(): void {
  const { limitBytes } = SYSTEM_HEAP
  if (limitBytes >= HEAP_BYTES_MIN) return
  const text = `Node may use ${limitBytes} bytes of memory, and the gateway needs ${HEAP_BYTES_MIN}; raise --max-old-space-size in NODE_OPTIONS, or the memory of the container`
  throw new GatewayError('config_invalid', text)
}

async function openGatewayIncidents({ config, clock, log, metrics }: Opened): Promise<Incidents | undefined> {
  const { incidents: settings, rules } = config
  if (!settings.enabled) {
    if (rules.path === undefined && !rules.anomalies) {
      await forgetCounted(config)
      return undefined
    }
    const text =
      'MILLRACE_INCIDENTS is false, but alert rules and anomalies open incidents; remove it, or remove MILLRACE_RULES and MILLRACE_ANOMALIES'
    throw new GatewayError('config_invalid', text)
  }
  const incidents = await openIncidents(config, clock, log)
  exportIncidentMetrics(metrics.registry, incidents.totals)
  return incidents
}

/** Counts error lines of accepted pushes; returns the ports to use instead. */
async function countLines(
  { config, clock, log, closers }: Opened,
  home: Home,
  incidents: Incidents | undefined,
): Promise<Ports> {
  if (incidents === undefined) return home.ports
  if ('blocks' in home) {
    const running = await startIncidents(incidents, { blocks: home.blocks, clock, log })
    closers.push(() => running.stop())
    return home.ports
  }
  closers.push(() => incidents.home.close())
  return countPushes(config, clock, home, log)
}

/** In the aws home the alert processor evaluates rules; the gateway only shows them. */
function openRules(
  { config, log, metrics, turns, closers }: Opened,
  ports: Ports,
  incidents: Incidents,
): AppParts['rules'] {
  const events = new WatchMetrics(metrics.registry, log)
  if (config.service.home === 'aws') {
    const view = viewRuleFiles(config, ports, incidents.home.store, events)
    closers.push(() => view?.source.close())
    return view
  }
  const watch = openWatch({ config, ports, incidents: incidents.desk, states: incidents.home.store, events, turns })
  closers.push(() => watch.close())
  if (watch.anomalies !== undefined) events.observe(watch.anomalies)
  watch.start()
  return watch.rules
}

async function pollSources({ config, clock, log, metrics, closers }: Opened, ports: Ports) {
  const sources = new SourceMetrics(metrics.registry)
  const opened = await openPoller({ config, clock, log, ports, onOutcome: (outcome) => sources.count(outcome) })
  if (opened === undefined) return undefined
  sources.observe(opened.poller)
  closers.push(() => opened.close())
  if (config.service.home === 'embedded') closers.push(opened.start())
  return opened.poller
}
