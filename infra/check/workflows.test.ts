/** The workflows: valid by actionlint's rules, and closed to the usual attacks on workflows. */

import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions?: Readonly<Record<string, string>>
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly permissions?: Record<string, string>
        readonly 'timeout-minutes'?: number
        readonly steps: readonly Step[]
        readonly environment?: string
      }
    >
  >
}

const linter = pathToFileURL(
  createRequire(`${process.cwd()}/infra/package.json`).resolve('actionlint').replace('node.cjs', 'node.mjs'),
)
const { createLinter } = await import(linter.href)
const lint: (input: string, path: string) => readonly { line: number; message: string }[] = await createLinter()

/** Newer features of GitHub than the linter. */
const YOUNGER =
  /label "(ubuntu-24\.04(-arm)?|macos-15)" is unknown|undefined variable "vars"|unknown permission scope "attestations"/

const paths = globSync('.github/workflows/*.yml').sort()

t.test('a workflow with a fault is found', async (t) => {
  t.ok(
    lint('on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: ls\n        wiht: {}\n', 'x.yml')
      .length > 0,
  )
})

for (const path of paths) {
  const text = readFileSync(path, 'utf8')
  const workflow = parse(text) as Workflow
  const jobs = Object.entries(workflow.jobs)
  const steps = jobs.flatMap(([, job]) => job.steps)

  t.test(`${path}: actionlint finds nothing`, async (t) => {
    const faults = lint(text, path).filter(({ message }) => !YOUNGER.test(message))
    t.same(
      faults.map(({ line, message }) => `${line}: ${message}`),
      [],
    )
  })

  t.test(`${path}: actions are pinned by hash, with their version beside it`, async (t) => {
    for (const [, line = ''] of text.matchAll(/uses: (.*)/g))
      t.match(line, /^[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    t.ok(steps.some(({ uses }) => uses?.startsWith('actions/checkout@')))
  })

  t.test(`${path}: as few permissions as there can be, and no job without an end`, async (t) => {
    t.same(workflow.permissions, { contents: 'read' })
    for (const [name, job] of jobs) {
      t.type(job['timeout-minutes'], 'number', name)
      if (job.permissions?.['id-token'] === 'write')
        t.type(job.environment, 'string', `${name}: an identity is an environment's`)
    }
  })

  t.test(`${path}: code of a stranger never meets a secret`, async (t) => {
    t.notOk('pull_request_target' in workflow.on)
    t.notOk('workflow_run' in workflow.on)
    t.notMatch(text, /AWS_SECRET_ACCESS_KEY|AWS_ACCESS_KEY_ID|secrets\./, 'no long-lived key')
    for (const { uses, with: inputs } of steps) {
      if (uses?.startsWith('actions/checkout@')) t.equal(inputs?.['persist-credentials'], false)
    }
    // Text of others (titles, branches) would be part of the script.
    for (const { run = '' } of steps) t.notMatch(run, /\$\{\{/, run.slice(0, 60))
  })
}
