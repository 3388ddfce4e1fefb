/** A client and a source on a fake Cognigy, with a clock that only waits advance. */

import type { Test } from 'tap'
import { CognigyClient, type CognigySettings } from '../../src/adapters/outside/cognigy-client.ts'
import { CognigyLogSource } from '../../src/adapters/outside/cognigy-log-source.ts'
import type { RequestBudget, SourceProject } from '../../src/ports/sources.ts'
import { FixedClock } from '../support/helper.ts'
import { FakeCognigy, type FakeOptions } from './fake-server.ts'
import { StallTimeouts } from './stall-timeouts.ts'

export const PROJECT: SourceProject = { id: 'abcdefabcdefabcdefabcdef', name: 'demo' }

export interface SourceParts {
  readonly clock: FixedClock
  readonly fake: FakeCognigy
  readonly client: CognigyClient
  readonly source: CognigyLogSource
  /** All requested waits, ms. */
  readonly waits: number[]
  /** Projects that turned out to be read backward. */
  readonly backward: string[]
  budget(requests?: number, ms?: number): RequestBudget
}

export async function startSource(
  t: Test,
  options: Partial<FakeOptions> = {},
  settings: Partial<CognigySettings> = {},
  apiKey: (isRefused: boolean) => Promise<string> = async () => 'fake-key',
): Promise<SourceParts> {
  const clock = new FixedClock()
  const timeouts = new StallTimeouts()
  const fake = new FakeCognigy({ nowMs: () => clock.ms, onStall: timeouts.expire, ...options })
  const baseUrl = await fake.listen()
  t.teardown(() => fake.close())
  const waits: number[] = []
  const backward: string[] = []
  const client = new CognigyClient({
    settings: {
      baseUrl,
      apiVersion: 'v2.0',
      levels: [],
      requestsPerFiveMinutes: 1000,
      timeoutMs: 10_000,
      bodyBytesMax: 2 ** 24,
      ...settings,
    },
    apiKey,
    clock,
    wait: async (ms) => {
      waits.push(ms)
      clock.ms += ms
    },
    signalAfter: timeouts.signalAfter,
    random: () => 0.5,
  })
  const source = new CognigyLogSource(client, ({ name }) => void backward.push(name))
  const budget = (requests = 1000, ms = 45_000): RequestBudget => {
    let left = requests
    return { take: () => left-- > 0, untilMs: clock.monotonicMs() + ms }
  }
  return { clock, fake, client, source, waits, backward, budget }
}
