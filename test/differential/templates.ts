/** Random templates for line_format and label_format: fields, every function with fitting arguments, control structures. */

import type { Random } from '../support/random.ts'
import { QUERY_NAMES, WORDS } from './vocabulary.ts'

/** Calls that may stand behind a bar: they take a text as their last argument. */
const TEXT_CALLS = [
  ...[
    'ToLower',
    'ToUpper',
    'lower',
    'upper',
    'title',
    'TrimSpace',
    'trim',
    'urlencode',
    'urldecode',
    'b64enc',
    'b64dec',
  ],
  ...[
    'Replace "a" "b" -1',
    'replace "e" "E"',
    'Trim "ab"',
    'TrimLeft "a"',
    'TrimRight "r"',
    'TrimPrefix "a"',
    'TrimSuffix "r"',
  ],
  ...[
    'trimAll "a1"',
    'trimPrefix "e"',
    'trimSuffix "r"',
    'trunc 3',
    'trunc -2',
    'substr 1 3',
    'indent 2',
    'nindent 1',
    'repeat 2',
  ],
  ...[
    'alignLeft 5',
    'alignRight 5',
    'default "-"',
    'contains "a"',
    'hasPrefix "e"',
    'hasSuffix "r"',
    'printf "%s!"',
    'printf "%q"',
  ],
  ...[
    'printf "%5s|"',
    'printf "%-5s|"',
    'printf "%.2s"',
    'len',
    'count "a"',
    'count "[0-9]"',
    'regexReplaceAll "(a)(.)" . "$2$1"',
  ],
  ...[
    'html',
    'js',
    'urlquery',
    'print',
    'eq "a"',
    'ne "200"',
    'lt "b"',
    'not',
    'or "x"',
    'and "y"',
    'printf "%x"',
    'printf "%v"',
  ],
] as const
const NUMBER_CALLS = [
  ...[
    'int',
    'float64',
    'add 1',
    'sub 1',
    'mul 2',
    'div 2',
    'mod 3',
    'addf 0.5',
    'subf 1.5',
    'mulf 2.5',
    'divf 3',
    'max 5',
    'min 5',
  ],
  ...[
    'maxf 1.5',
    'minf 1.5',
    'ceil',
    'floor',
    'round 1',
    'bytes',
    'duration',
    'duration_seconds',
    'int | add 2 | printf "%05d"',
  ],
  ...[
    'float64 | printf "%.2f"',
    'float64 | printf "%g"',
    'int | printf "%d"',
    'float64 | printf "%e"',
    'int | eq 200',
    'int | lt 5',
    'int | printf "%x"',
  ],
] as const
const WHOLE_ACTIONS = [
  ...[
    '__line__',
    '__line__ | lower',
    '__line__ | trunc 8',
    '__line__ | len',
    '__timestamp__ | date "2006-01-02T15:04:05.000Z07:00"',
  ],
  ...[
    '__timestamp__ | unixEpoch',
    '__timestamp__ | unixEpochMillis',
    '__timestamp__ | unixEpochNanos',
    'unixToTime "1700000000" | date "Jan _2 Mon"',
  ],
  ...[
    'toDate "2006-01-02" "2026-11-21" | unixEpoch',
    'toDateInZone "2006-01-02 15:04" "Europe/Berlin" "2026-07-21 10:00" | unixEpoch',
  ],
  ...[
    'regexReplaceAll "([a-z])([0-9])" __line__ "$2-$1"',
    'regexReplaceAllLiteral "[aeiou]" __line__ "$1"',
    'index (fromJson __line__) "v"',
  ],
  ...[
    '(fromJson __line__).user',
    'substr 0 4 __line__',
    'printf "%s-%s" .app .status',
    'printf "%d" 3',
    'print 1 2 "a" "b"',
    'println .v',
    'slice __line__ 0 1',
  ],
  ...[
    'index "abc" 1',
    'len .',
    'eq .app "a" "b"',
    'and .v .w',
    'or .v .w "none"',
    'not .v',
    '.',
    'add 1 2 3',
    'max 1 2 3',
    'div 7 2',
    'mod -7 3',
    'divf 1 3',
  ],
  ...[
    'date "15:04:05" __timestamp__',
    '1.50',
    '0x10',
    "'a'",
    'true',
    '1e3',
    '"a\\tb"',
    'trunc 2 "éé"',
    'count "a" __line__',
    'add .v 1',
    'mulf .took 2',
  ],
] as const

/** Up to four parts of text and actions. */
export function makeTemplate(random: Random): string {
  return parts(random, 0)
}

function parts(random: Random, depth: number): string {
  const count = 1 + random.integer(depth === 0 ? 4 : 2)
  return Array.from({ length: count }, () => part(random, depth)).join('')
}

function part(random: Random, depth: number): string {
  if (random.chance(0.25)) return random.pick([...WORDS.filter((word) => !word.includes('{')), ' ', '=', 'v='])
  if (depth < 2 && random.chance(0.12)) return control(random, depth)
  const [open, close] = random.chance(0.1) ? ['{{- ', ' -}}'] : ['{{', '}}']
  return `${open}${action(random)}${close}`
}

function action(random: Random): string {
  const share = random.next()
  if (share < 0.35) return field(random)
  if (share < 0.55) return random.pick(WHOLE_ACTIONS)
  const calls = share < 0.85 ? TEXT_CALLS : NUMBER_CALLS
  const chain = Array.from({ length: 1 + random.integer(2) }, () => random.pick(calls))
  return [field(random), ...chain].join(' | ')
}

function field(random: Random): string {
  return `.${random.pick(QUERY_NAMES)}`
}

function control(random: Random, depth: number): string {
  const inner = (): string => parts(random, depth + 1)
  const condition = random.pick([
    field(random),
    `eq ${field(random)} "200"`,
    `contains "a" ${field(random)}`,
    'hasPrefix "{" __line__',
  ])
  return random.pick([
    () => `{{if ${condition}}}${inner()}{{end}}`,
    () => `{{if ${condition}}}${inner()}{{else}}${inner()}{{end}}`,
    () => `{{if ${condition}}}${inner()}{{else if ${field(random)}}}${inner()}{{end}}`,
    () => `{{with ${field(random)}}}{{.}}${random.pick(['', '!'])}{{else}}-{{end}}`,
    () => `{{range $k, $v := fromJson __line__}}{{$k}}={{$v}} {{end}}`,
    () => `{{$x := ${field(random)}}}{{$x}}{{$x | len}}`,
    () => `{{range $i, $c := .}}{{$i}}:{{$c}},{{end}}`,
    () => `{{/* a comment */}}`,
  ])()
}
