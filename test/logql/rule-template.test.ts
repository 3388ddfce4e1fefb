import t from 'tap'
import { compileRuleTemplate } from '../../src/logql/rule-template.ts'

const LABELS = [
  { name: '__proto__', value: 'odd' },
  { name: 'app', value: 'shop' },
]

const ROWS: readonly (readonly [source: string, value: number, text: string])[] = [
  ['plain', 1, 'plain'],
  ['{{ $labels.app }} {{ .Labels.app }} {{ $value }} {{ .Value }}', 42, 'shop shop 42 42'],
  ['<{{ $labels.absent }}{{ $externalLabels.any }}>', 1, '<>'],
  ['{{ index $labels "__proto__" }}', 1, 'odd'],
  ['{{ range $name, $value := $labels }}{{ $name }} {{ end }}', 1, '__proto__ app '],
  ['{{ printf "%.1f" $value }}', 1.25, '1.2'],
  ['{{ if gt $value 10.0 }}high{{ else }}low{{ end }}', 11, 'high'],
  ['{{ $labels.app | toUpper }}', 1, 'SHOP'],
  ['{{ $value | humanize }}', 1_234_567, '1.235M'],
  ['{{ $value | humanize }}', 0.0012, '1.2m'],
  ['{{ $value | humanize }}', 0, '0'],
  ['{{ $value | humanize }}', Number.POSITIVE_INFINITY, '+Inf'],
  ['{{ $value | humanize1024 }}', 3 * 1024 * 1024, '3Mi'],
  ['{{ $value | humanizePercentage }}', 0.1234, '12.34%'],
  ['{{ $value | humanizeDuration }}', 90_061, '1d 1h 1m 1s'],
  ['{{ $value | humanizeDuration }}', 5, '5s'],
  ['{{ $value | humanizeDuration }}', 0.5, '500ms'],
  ['{{ $value | humanizeDuration }}', Number.NaN, 'NaN'],
]

for (const [source, value, text] of ROWS) {
  t.test(`${source} of ${value} is ${text}`, async (t) => {
    t.equal(compileRuleTemplate(source)({ labels: LABELS, value, ns: 0n }), text)
  })
}

t.test('undefined names are rejected by the parser', async (t) => {
  for (const source of ['{{ $other }}', '{{ query "up" }}', '{{ ', '{{ if $value }}']) {
    t.throws(() => compileRuleTemplate(source), { code: 'query_malformed' })
  }
})
