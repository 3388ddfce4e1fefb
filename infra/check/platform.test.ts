/** On SST's own platform: each stage passes the checks of test/infra, and the offline stand-ins behave like SST. */

import { spawnSync } from 'node:child_process'
import t from 'tap'
import { checkGraph } from '../../test/infra/graph-checks.ts'
import { offlineGraph } from '../../test/infra/offline-graph.ts'
import { ENVIRONMENT, type Graph, type Resource } from '../../test/infra/resource-graph.ts'
import { stageSettings } from '../stages.ts'

/** A graph takes seconds; anything longer hangs. */
const GRAPH_MS_MAX = 300_000
const CERTIFICATE = 'arn:aws:acm:us-east-1:123456789012:certificate/1'

function platformGraph(stage: string, variables: Readonly<Record<string, string>>): Graph {
  const child = spawnSync(process.execPath, ['infra/check/graph.mjs', stage], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: GRAPH_MS_MAX,
    env: { ...process.env, ...ENVIRONMENT, MILLRACE_IMAGE_URI: '', ...variables },
  })
  if (child.error !== undefined) throw child.error
  if (child.status !== 0) throw new Error(`the graph of ${stage} does not come about:\n${child.stderr}`)
  return JSON.parse(child.stdout.slice(child.stdout.indexOf('{"app"'))) as Graph
}

/** SST and Pulumi add random letters to some names, and hashes to others. */
const withoutChance = (text: string) =>
  text
    .replaceAll(/(millrace-[a-z]+-[A-Za-z]+)-[a-z]{8}\b/g, '$1')
    .replaceAll(/\b(DoorRoute|IngestSubscriber)[A-Z0-9][a-z]{5}/g, '$1')
    .replaceAll(/\bDoorRoute\d/g, 'DoorRoute')

/** Resources that a provider creates; the rest are groupings of Pulumi and SST. */
const created = ({ resources }: Graph) => resources.filter(({ type }) => !/^(pulumi|sst):/.test(type))

function nameOf({ type, name, inputs }: Resource): string {
  return `${type} ${type.endsWith(':Route') ? inputs.routeKey : withoutChance(name)}`
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(withoutChance(JSON.stringify(value)))
}

/** Properties that SST sets and the stand-ins do not: statements with fields in another order, log formats. */
const OWN_WORDS = new Set(['policy', 'assumeRolePolicy', 'inlinePolicies', 'accessLogSettings'])

const DEPLOYMENTS: readonly (readonly [stage: string, variables: Readonly<Record<string, string>>])[] = [
  ['dev', { INCIDENT_TABLE: 'LogIncidents', ANOMALIES: 'true' }],
  ['production', { DOMAIN: 'logs.example.com', DOMAIN_CERTIFICATE: CERTIFICATE }],
]

for (const [stage, variables] of DEPLOYMENTS) {
  t.test(stage, async (t) => {
    const graph = platformGraph(stage, variables)
    checkGraph(t, stage, stageSettings(stage, { ...ENVIRONMENT, ...variables }), graph)

    t.test('offline, the same resources come about, with the same inputs', async (t) => {
      const offline = await offlineGraph(stage, variables)
      t.same(offline.app, graph.app)
      t.same(created(offline).map(nameOf).sort(), created(graph).map(nameOf).sort())
      for (const resource of created(offline)) {
        const name = nameOf(resource)
        const onPlatform = created(graph).find((each) => nameOf(each) === name)?.inputs ?? {}
        const said = Object.entries(resource.inputs).filter(([key]) => !OWN_WORDS.has(key))
        for (const [key, value] of said) t.same(plain(value), plain(onPlatform[key]), `${name}: ${key}`)
      }
    })
  })
}
