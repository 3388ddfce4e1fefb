/** The homes in which the same requests have the same results: for suites that run in each. */

import type { Test } from 'tap'
import type { Environment } from '../../src/config/read-config.ts'
import { buildAwsTestApp } from '../aws/aws-test-app.ts'
import { buildTestApp, type TestApp } from './test-app.ts'

export interface TestHome {
  readonly name: string
  /** Whether lines can be deleted by request. */
  readonly deletes: boolean
  start(t: Test, env?: Environment): Promise<SettlingApp>
}

export interface SettlingApp extends TestApp {
  /** Called after writes: moves the data to where this home reads it in the test. */
  settle(): Promise<void>
}

export const HOMES: readonly TestHome[] = [
  {
    name: 'the embedded home',
    deletes: true,
    start: async (t, env) => ({ ...(await buildTestApp(t, env)), settle: async () => undefined }),
  },
  {
    name: 'the aws home, from recent items',
    deletes: false,
    start: async (t, env) => ({ ...(await buildAwsTestApp(t, env)), settle: async () => undefined }),
  },
  {
    name: 'the aws home, from its archive',
    deletes: false,
    start: async (t, env) => {
      const testApp = await buildAwsTestApp(t, env)
      return { ...testApp, settle: testApp.archive }
    },
  },
]
