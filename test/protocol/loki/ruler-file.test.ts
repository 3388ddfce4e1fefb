import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { QUERY_LIMITS } from '../../../src/domain/limits.ts'
import { checkRuleExpr, checkRuleTemplate } from '../../../src/flows/rules/check-rules.ts'
import { parseRulerFile } from '../../../src/protocol/loki/ruler-file.ts'

const OPTIONS = {
  tenant: 'fake',
  namespace: 'shop.yaml',
  intervalMs: 60_000,
  checks: {
    expr: (text: string, intervalMs: number) => checkRuleExpr(text, intervalMs, QUERY_LIMITS),
    template: checkRuleTemplate,
  },
}

/** A file with one rule, and these lines instead of its `expr`. */
const withRule = (...lines: readonly string[]): string =>
  ['groups:', '  - name: g', '    rules:', '      - alert: A', ...lines.map((line) => `        ${line}`), ''].join('\n')

t.test('a file with everything in it', async (t) => {
  const text = `
namespace: ignored
groups:
  - name: errors
    interval: 30s
    limit: 5
    query_offset: 1m
    labels: {team: shop, severity: info}
    rules:
      - alert: TooMany
        expr: |
          sum by (app) (rate({app="shop"} |= "error" [5m])) > 0.5
        for: 1h30m
        keep_firing_for: 5m
        labels:
          severity: page
          number: 30
        annotations:
          summary: "{{ $labels.app }}: {{ $value | humanize }}"
  - name: empty
    rules: []
`
  t.strictSame(parseRulerFile(text, OPTIONS), [
    {
      tenant: 'fake',
      namespace: 'shop.yaml',
      name: 'errors',
      intervalMs: 30_000,
      queryOffsetMs: 60_000,
      limit: 5,
      rules: [
        {
          name: 'TooMany',
          expr: 'sum by (app) (rate({app="shop"} |= "error" [5m])) > 0.5',
          forMs: 5_400_000,
          keepFiringForMs: 300_000,
          labels: [
            { name: 'number', value: '30' },
            { name: 'severity', value: 'page' },
            { name: 'team', value: 'shop' },
          ],
          annotations: [{ name: 'summary', value: '{{ $labels.app }}: {{ $value | humanize }}' }],
        },
      ],
    },
    {
      tenant: 'fake',
      namespace: 'shop.yaml',
      name: 'empty',
      intervalMs: 60_000,
      queryOffsetMs: 0,
      limit: 0,
      rules: [],
    },
  ])
})

const TAKEN: readonly (readonly [name: string, text: string, groups: number])[] = [
  ['nothing at all', '', 0],
  ['only a comment', '# later\n', 0],
  ['no groups', 'groups:\n', 0],
  ['a group without rules', 'groups:\n  - name: g\n    rules:\n', 1],
  ['labels without a label', withRule('expr: "1"', 'labels:', 'annotations:'), 1],
  ['a log query', withRule(`expr: '{app="shop"} |= "x"'`), 1],
]
for (const [name, text, groups] of TAKEN) {
  t.test(`takes ${name}`, async (t) => t.equal(parseRulerFile(text, OPTIONS).length, groups))
}

const REFUSED: readonly (readonly [name: string, text: string, fault: RegExp])[] = [
  ['what is no YAML', 'groups: [\n  a: b: c', /line 2, column \d+: /],
  ['a list in place of a file', '- a', /line 1, column 1: the file: expected a map; got a list/],
  ['a file without groups', 'namespace: x', /`groups` is missing/],
  ['an unknown field', withRule('expr: "1"', 'fro: 5m'), /line 6, column 9: .* no field "fro"; expected alert/],
  ['a key that comes twice', withRule('expr: "1"', 'expr: "2"'), /line 6, column 9: .*"expr" comes twice/],
  ['a group without a name', 'groups:\n  - rules: []', /line 2, column 5: a group: `name` is missing/],
  ['a group of the same name', 'groups:\n  - {name: g, rules: []}\n  - {name: g, rules: []}', /line 3, .* comes twice/],
  [
    'a rule without a name',
    'groups:\n  - name: g\n    rules:\n      - expr: "1"',
    /line 4, column 9: .*`alert` is missing/,
  ],
  ['a rule without an expression', withRule('for: 5m'), /rule "A": `expr` is missing/],
  ['a faulty expression', withRule(`expr: '{app='`), /line 5, column 15: rule "A": expr: parse error at line 1, col 6/],
  ['a selector of everything', withRule(`expr: '{}'`), /expr: .*queries require at least one/],
  [
    'a recording rule',
    'groups:\n  - name: g\n    rules:\n      - record: x\n        expr: "1"',
    /line 4, .*recording rules/,
  ],
  ['a duration without a unit', withRule('expr: "1"', 'for: 5'), /line 6, column 14: .* expected a duration like 5m/],
  ['an interval that is too short', 'groups:\n  - name: g\n    interval: 10ms\n    rules: []', /expected 1s or more/],
  ['a limit below zero', 'groups:\n  - name: g\n    limit: -1\n    rules: []', /limit: expected a whole number/],
  ['a label that is no name', withRule('expr: "1"', 'labels: {a-b: c}'), /"a-b" cannot be a name here/],
  ['a label that the alert has', withRule('expr: "1"', 'labels: {alertname: c}'), /"alertname" cannot be a name/],
  ['a list as a label', withRule('expr: "1"', 'labels: {a: [c]}'), /labels: "a": expected text; got a list/],
  [
    'a faulty template',
    withRule('expr: "1"', 'labels: {a: "{{ $x }}"}'),
    /line 6, column 21: .*undefined variable "\$x"/,
  ],
  ['a template that would query', withRule('expr: "1"', 'labels: {a: \'{{ query "x" }}\'}'), /function "query" not/],
  ['an alias', 'groups:\n  - &a {name: g, rules: []}\n  - *a', /line 3, column 5: .*an alias/],
  ['a file that is nested too deep', '['.repeat(50_000), /the file is nested too deep/],
  ['a file that is too long', '#'.repeat(1024 * 1024 + 1), /more than 1048576 characters/],
]
for (const [name, text, message] of REFUSED) {
  t.test(`refuses ${name}`, async (t) => {
    t.throws(() => parseRulerFile(text, OPTIONS), { code: 'config_invalid', message })
  })
}

t.test('all faults are reported at once, up to fifty', async (t) => {
  const text = `groups:\n${Array.from({ length: 60 }, () => '  - {name: g, x: 1}\n').join('')}`
  t.throws(() => parseRulerFile(text, OPTIONS), {
    message: /^the rules are invalid:(\n {2}line .*){50}\n {2}… and 129 more$/,
  })
})

t.test('any text gives rules or config_invalid', async (t) => {
  const word = fc.constantFrom(
    ...[
      'groups',
      'name',
      'rules',
      'alert',
      'expr',
      'for',
      'labels',
      'a',
      '5m',
      '{{',
      '1',
      '"',
      "'",
      '&a',
      '*a',
      '!!map',
    ],
    ...['|', '>', '<<', '---', '...', '#', '%YAML 9', '? ', '__proto__', '\t', '\u0000', '\ud800'],
  )
  const glue = fc.constantFrom(': ', '\n', '\n  ', '\n  - ', '\n    ', '\n      - ', ' ', ', ', '{', '}', '[', ']', '')
  const text = fc.oneof(
    fc.array(fc.tuple(word, glue), { maxLength: 60 }).map((parts) => parts.flat().join('')),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.array(fc.tuple(fc.nat(400), word), { maxLength: 4 }).map((edits) => edits.reduce(edit, WHOLE)),
  )
  const isSound = fc.property(text, (text) => {
    try {
      return parseRulerFile(text, OPTIONS).every(({ rules }) => rules.every(({ name }) => name !== ''))
    } catch (error) {
      return error instanceof GatewayError && error.code === 'config_invalid'
    }
  })
  t.doesNotThrow(() => fc.assert(isSound, { numRuns: 2000 }))
})

const WHOLE = `${withRule('expr: "1"', 'for: 5m', 'labels: {a: b}', 'annotations: {c: "{{ $value }}"}')}`

function edit(text: string, [at, word]: readonly [at: number, word: string]): string {
  return text.slice(0, at) + word + text.slice(at + word.length)
}
