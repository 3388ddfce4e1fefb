/** The folder of a test, which outlives the test's teardowns. */

import type { Test } from 'tap'

/**
 * Like `t.testdir`, but the folder is removed after everything that is closed by a teardown. tap removes a folder before
 * the first teardown that is registered later, while a store in it still writes.
 */
export function testFolder(t: Test, ...content: Parameters<Test['testdir']>): string {
  t.teardown(() => {})
  return t.testdir(...content)
}
