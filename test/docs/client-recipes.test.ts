/** Checks the configurations and queries in docs/clients as far as possible without the clients. */

import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { ask, buildTestApp, pushJson } from '../support/test-app.ts'

const recipes = globSync('docs/clients/*.md').sort()
const blocksOf = (path: string) =>
  [...readFileSync(path, 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind = '', text = '']) => ({
    kind,
    text,
  }))

for (const path of recipes.filter((path) => !path.endsWith('README.md'))) {
  t.test(`${path} has a valid configuration`, async (t) => {
    const blocks = blocksOf(path)
    t.ok(blocks.length > 0)
    for (const { kind, text } of blocks) {
      if (kind === 'yaml')
        t.same(
          parseAllDocuments(text).flatMap(({ errors }) => errors),
          [],
        )
      else if (kind === 'json') t.doesNotThrow(() => JSON.parse(text))
      else t.match(kind, /^(alloy|conf|env|go|java|js|python|sh|xml)$/)
    }
  })
}

t.test('the table of clients names each recipe', async (t) => {
  const linked = [...readFileSync('docs/clients/README.md', 'utf8').matchAll(/^\| \[[^\]]+\]\(([^)]+)\)/gm)]
  t.same(
    linked.map(([, name]) => `docs/clients/${name}`).sort(),
    recipes.filter((path) => !path.endsWith('README.md')),
  )
})

t.test('paths of the gateway in recipes are routes', async (t) => {
  const { app } = await buildTestApp(t)
  const paths = recipes.flatMap(
    (path) => readFileSync(path, 'utf8').match(/\/(loki\/api\/v1|otlp\/v1)\/\w+|3100\/logs\b/g) ?? [],
  )
  t.ok(paths.length > 10)
  for (const path of new Set(paths.map((path) => path.replace('3100', '')))) {
    const responses = await Promise.all((['GET', 'POST'] as const).map((method) => app.inject({ method, url: path })))
    t.ok(
      responses.some(({ statusCode }) => statusCode !== 404),
      path,
    )
  }
})

t.test('every query of the dashboard is answered', async (t) => {
  const parts = await buildTestApp(t)
  const { app, clock } = parts
  const values = [[String(clock.nowNs - 1_000_000_000n), 'level=error msg="no card"']]
  await pushJson(app, [{ stream: { service_name: 'shop' }, values }])
  const dashboard = JSON.parse(readFileSync('docs/clients/grafana-dashboard.json', 'utf8'))
  const targets = dashboard.panels.flatMap(
    ({ targets }: { targets: { expr: string; queryType?: string }[] }) => targets,
  )
  t.equal(targets.length, 9)
  for (const { expr, queryType } of targets) {
    const query = expr
      .replaceAll('$service', '.+')
      .replaceAll('$__range', '3600s')
      .replaceAll('$__auto', '60s')
      .replaceAll('$search', '')
    const range = { start: String(clock.nowNs - 3600_000_000_000n), end: String(clock.nowNs) }
    const response =
      queryType === 'instant'
        ? await ask(app, 'query', { query, time: String(clock.nowNs) })
        : await ask(app, 'query_range', { query, ...range, step: '60' })
    t.equal(response.statusCode, 200, `${query}: ${response.body.slice(0, 200)}`)
    t.ok(response.json().data.result.length > 0, query)
  }
})
