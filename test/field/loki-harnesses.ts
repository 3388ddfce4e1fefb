/** Loki fidelity: a gateway and a Loki (LOKI_URL or LOKI_BIN) get the same pushes and queries. */

import { randomBytes } from 'node:crypto'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { Fuzzer, formatFound } from '../differential/fuzz.ts'
import { type LokiPeer, openLoki } from '../differential/loki.ts'
import { Peer } from '../differential/peer.ts'
import { compareAnswers } from '../language/comparison.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { type FieldContext, type FieldHarness, type FieldResult, missingVariable } from './harness.ts'
import { compareRejections } from './loki/rejections.ts'
import { findScripts, type Score, scoreScripts } from './loki-material/score.ts'

const HOUR_NS = 3_600_000_000_000n
const IN_FLIGHT = 8
/** Levels follow docs/levels.md, not Loki. */
const WITHOUT_LEVELS = { MILLRACE_DISCOVER_LEVELS: 'false' }
/** For scripts, whose answers have no labels that were not pushed. */
const PLAIN = { ...WITHOUT_LEVELS, MILLRACE_DISCOVER_SERVICE_NAME: 'false' }
const COMPARISONS = { quick: 5000, full: 200_000 }

const needsLoki: FieldHarness['missing'] = (env) => missingVariable(env, 'LOKI_BIN', 'LOKI_URL')
const needsScripts: FieldHarness['missing'] = (env) =>
  missingVariable(env, 'LOKI_SRC') ??
  (findScripts(env['LOKI_SRC'] as string).length === 0
    ? 'LOKI_SRC has no pkg/logql/internal/logqltest: it came in August 2026'
    : undefined)

export const LOKI_HARNESSES: readonly FieldHarness[] = [
  {
    area: 'Loki fidelity',
    name: 'cases of test/language',
    missing: needsLoki,
    run: (context) =>
      withPeers(
        context,
        async (left, right, version) => {
          const headers = { 'x-scope-orgid': runName() }
          const { compared, differences } = await compareAnswers({
            left: { url: left.url, headers },
            right: { url: right.url, headers },
            files: globSync(new URL('../language/cases/*.txt', import.meta.url).pathname).sort(),
            nowMs: Date.now(),
            run: runName(),
          })
          const details = differences.map((each) =>
            [
              each.place,
              ...each.left.map((row) => `  left: ${row}`),
              ...each.right.map((row) => `  right: ${row}`),
            ].join('\n'),
          )
          return { passed: compared - differences.length, total: compared, note: version, details }
        },
        true,
      ),
  },
  {
    area: 'Loki fidelity',
    name: 'random queries over random data',
    missing: needsLoki,
    run: (context) => withPeers(context, (left, right, version, loki) => fuzz(context, left, right, version, loki)),
  },
  {
    area: 'Loki fidelity',
    name: 'statuses of rejected requests',
    missing: needsLoki,
    run: (context) =>
      withPeers(context, async (left, right, version) => {
        const results = await compareRejections(left, right, runName(), nowNs())
        const same = results.filter(({ isSameStatus }) => isSameStatus)
        const words = same.filter(({ isSameText }) => isSameText).length
        const details = results
          .filter(({ isSameStatus }) => !isSameStatus)
          .map(({ name, left, right }) => `${name}\n  left: ${left}\n  right: ${right}`)
        return { passed: same.length, total: results.length, note: `${version}; ${words} word for word`, details }
      }),
  },
  {
    area: 'Loki fidelity',
    name: "Loki's scripts, on Millrace",
    missing: needsScripts,
    run: ({ env, folder }) =>
      withGateway(folder, PLAIN, async (gateway) => toResult(await score(gateway, env), 'the gateway')),
  },
  {
    area: 'Loki fidelity',
    name: "Loki's scripts, on Loki over HTTP",
    missing: (env) => needsScripts(env) ?? needsLoki(env),
    run: (context) =>
      withPeers(context, async (_, right, version) => toResult(await score(right, context.env), version), true),
  },
]

async function fuzz(
  context: FieldContext,
  left: Peer,
  right: Peer,
  version: string,
  loki: LokiPeer,
): Promise<FieldResult> {
  const comparisons = context.isQuick ? COMPARISONS.quick : COMPARISONS.full
  const result = await new Fuzzer({
    left,
    right,
    seed: 1,
    comparisons,
    perSet: 400,
    inFlight: IN_FLIGHT,
    before: (nowNs() / HOUR_NS) * HOUR_NS,
    run: runName(),
    shrinksPerKind: 1,
    shrinksMax: 20,
    report: () => undefined,
    onSilence: () => loki.ensureRunning(),
  }).run()
  const known = [...result.known.values()].reduce((sum, count) => sum + count, 0)
  return {
    passed: result.compared - result.found.length,
    total: result.compared,
    note: `${version}; ${known} of the kinds in docs/fidelity.md, ${result.unstable} where Loki changed its answer`,
    details: result.found.map(formatFound),
  }
}

function score(peer: Peer, env: NodeJS.ProcessEnv): Promise<Score> {
  return scoreScripts(peer, findScripts(env['LOKI_SRC'] as string), runName(), nowNs())
}

function toResult({ evaluations, right, wrong }: Score, note: string): FieldResult {
  return { passed: right, total: evaluations, note, details: wrong }
}

async function withGateway(
  folder: string,
  env: Readonly<Record<string, string>>,
  use: (gateway: Peer) => Promise<FieldResult>,
): Promise<FieldResult> {
  const gateway = await GatewayProcess.start({ dataDir: join(folder, 'gateway'), env })
  const peer = new Peer(gateway.url, IN_FLIGHT)
  try {
    return await use(peer)
  } finally {
    peer.close()
    await gateway.stop()
  }
}

/** Starts a gateway and, where it does not run already, a Loki; `version` is Loki's. */
function withPeers(
  { env, folder }: FieldContext,
  use: (left: Peer, right: Peer, version: string, loki: LokiPeer) => Promise<FieldResult>,
  isPlain = false,
): Promise<FieldResult> {
  return withGateway(folder, isPlain ? PLAIN : WITHOUT_LEVELS, async (left) => {
    const loki = await openLoki(env, folder, isPlain)
    if (loki === undefined) throw new Error('BUG: a harness ran without what it needs')
    const right = new Peer(loki.url, IN_FLIGHT)
    try {
      return await use(left, right, await versionOf(loki), loki)
    } finally {
      right.close()
      await loki.close()
    }
  })
}

async function versionOf({ url }: LokiPeer): Promise<string> {
  const response = await fetch(`${url}/loki/api/v1/status/buildinfo`)
  return `Loki ${((await response.json()) as { version: string }).version}`
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}

function runName(): string {
  return randomBytes(4).toString('hex')
}
