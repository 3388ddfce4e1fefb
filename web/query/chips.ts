/** A log query as chips: matchers, line filters, label filters and parsers; what is none of these stays as text. */

import { type Token, tokenize } from '../../src/logql/parse/lex.ts'
import { LEVELS, type Level, WORDS_OF } from './levels.ts'

export interface Matcher {
  readonly name: string
  /** `=`, `!=`, `=~`, `!~` */
  readonly op: string
  readonly value: string
}

export type Stage =
  /** `|=`, `!=`, `|~`, `!~`, `|>`, `!>` */
  | { readonly kind: 'line'; readonly op: string; readonly value: string }
  | {
      readonly kind: 'label'
      readonly name: string
      readonly op: string
      readonly value: string
      readonly isBare: boolean
    }
  | { readonly kind: 'text'; readonly text: string }

export interface Question {
  readonly matchers: readonly Matcher[]
  readonly stages: readonly Stage[]
}

/** Everything, for a search without a label. */
export const ALL: Matcher = { name: 'service_name', op: '=~', value: '.+' }
export const isAll = ({ op, value }: Matcher): boolean => op === '=~' && (value === '.+' || value === '.*')

const LINE_OPS = ['|=', '!=', '|~', '!~', '|>', '!>']
const LABEL_OPS = ['=', '==', '!=', '=~', '!~', '>', '>=', '<', '<=']
const PARSERS = [
  'json',
  'logfmt',
  'unpack',
  'pattern',
  'regexp',
  'decolorize',
  'drop',
  'keep',
  'line_format',
  'label_format',
  'unwrap',
]

/** Undefined for what is not a query for lines that can be shown as chips. */
export function readQuestion(query: string): Question | undefined {
  let tokens: Token[]
  try {
    tokens = tokenize(query)
  } catch {
    return undefined
  }
  const close = tokens.findIndex(({ kind, text }) => kind === 'symbol' && text === '}')
  if (!isSymbol(tokens[0], '{') || close < 0) return undefined
  const matchers = readMatchers(tokens.slice(1, close))
  const rest = tokens.slice(close + 1, -1)
  // A range or a closing bracket at the end belongs to a metric query.
  if (matchers === undefined || (rest.length > 0 && !LINE_OPS.concat('|').includes(rest[0]?.text ?? '')))
    return undefined
  return { matchers, stages: splitStages(rest).map(readStage) }
}

const isSymbol = (token: Token | undefined, text: string): boolean => token?.kind === 'symbol' && token.text === text

function readMatchers(tokens: readonly Token[]): Matcher[] | undefined {
  const matchers: Matcher[] = []
  for (let i = 0; i < tokens.length; i += 4) {
    const [name, op, value, comma] = tokens.slice(i, i + 4)
    const isGood =
      (name?.kind === 'word' || name?.kind === 'string') && op?.kind === 'symbol' && value?.kind === 'string'
    if (!isGood || (comma !== undefined && comma.text !== ',')) return undefined
    matchers.push({ name: name.text, op: op.text, value: value.text })
  }
  return matchers
}

/** Cuts before each pipe and each line filter; `!=` after a word is the operator of a label filter. */
function splitStages(tokens: readonly Token[]): Token[][] {
  const stages: Token[][] = []
  for (const token of tokens) {
    const stage = stages.at(-1)
    const before = stage?.at(-1)
    const word = stage?.[1]?.text ?? ''
    const isOperator = token.text.startsWith('!') && before?.kind === 'word' && !PARSERS.includes(word)
    const isStart = token.kind === 'symbol' && (token.text === '|' || (LINE_OPS.includes(token.text) && !isOperator))
    if (isStart || stage === undefined) stages.push([token])
    else stage.push(token)
  }
  return stages
}

function readStage(tokens: readonly Token[]): Stage {
  const [first, second, third, fourth] = tokens
  if (first !== undefined && first.text !== '|' && tokens.length === 2 && second?.kind === 'string') {
    return { kind: 'line', op: first.text, value: second.text }
  }
  const isLabel = first?.text === '|' && tokens.length === 4 && second?.kind === 'word' && third?.kind === 'symbol'
  if (isLabel && fourth !== undefined && LABEL_OPS.includes(third.text) && !PARSERS.includes(second.text)) {
    return { kind: 'label', name: second.text, op: third.text, value: fourth.text, isBare: fourth.kind !== 'string' }
  }
  return { kind: 'text', text: tokens.map(writeToken).join(' ') }
}

const writeToken = ({ kind, text }: Token): string =>
  kind === 'string' ? quote(text) : kind === 'range' ? `[${text}]` : text

/** A string of LogQL; a pattern reads better in backticks. */
export function quote(text: string): string {
  return /["\\]/.test(text) && !/[`\p{Cc}]/u.test(text) ? `\`${text}\`` : JSON.stringify(text)
}

const writeName = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name))

function chooses({ op, value }: Matcher): boolean {
  if (op === '=~') return !/^(?:\.\*|\(\?:\)|\|)?$/.test(value)
  return op === '=' && value !== ''
}

export function writeMatchers(matchers: readonly Matcher[]): string {
  // The gateway wants one matcher that chooses something.
  const all = matchers.some(chooses) ? matchers : [ALL, ...matchers]
  return `{${all.map(({ name, op, value }) => `${writeName(name)}${op}${quote(value)}`).join(', ')}}`
}

export function writeQuestion({ matchers, stages }: Question): string {
  return [writeMatchers(matchers), ...stages.map(writeStage)].join(' ')
}

function writeStage(stage: Stage): string {
  if (stage.kind === 'text') return stage.text
  if (stage.kind === 'line') return `${stage.op} ${quote(stage.value)}`
  return `| ${stage.name} ${stage.op} ${stage.isBare ? stage.value : quote(stage.value)}`
}

/** Where a value comes from, which says how it is filtered. */
export type Source =
  | { readonly kind: 'label' }
  | { readonly kind: 'metadata' }
  | { readonly kind: 'json'; readonly path: readonly string[] }
  | { readonly kind: 'logfmt'; readonly key: string }

/** The question with one more filter; one that contradicts it goes. */
export function withFilter(question: Question, name: string, op: '=' | '!=', value: string, source: Source): Question {
  const { matchers, stages } = question
  if (source.kind === 'label') {
    const kept = matchers.filter(
      (each) =>
        !(op === '=' && isAll(each)) &&
        !(each.name === name && (each.value === value || (op === '=' && each.op === '='))),
    )
    return { matchers: [...kept, { name, op, value }], stages }
  }
  const label = labelOf(name)
  const kept = stages.filter(
    (each) =>
      !(each.kind === 'label' && each.name === label && (each.value === value || (op === '=' && each.op === '='))),
  )
  const parsed = withParser(kept, label, source)
  return { matchers, stages: [...parsed, { kind: 'label', name: label, op, value, isBare: false }] }
}

/** The stages with one that makes the label, where none does yet; without a known source JSON and logfmt are tried. */
function withParser(stages: readonly Stage[], label: string, source: Source | undefined): readonly Stage[] {
  const parser = source === undefined ? '| json | logfmt' : parserOf(label, source)
  const isThere = stages.some(
    (stage) =>
      stage.kind === 'text' && (source === undefined || stage.text === parser || stage.text === `| ${source.kind}`),
  )
  return parser === undefined || isThere ? stages : [...stages, { kind: 'text', text: parser }]
}

/** The name of a field as a label of LogQL. */
export const labelOf = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(\d)/, '_$1')

/** The stage that makes a label of a field. */
export function parserOf(label: string, source: Source): string | undefined {
  if (source.kind === 'json') return `| json ${label} = ${JSON.stringify(pathOf(source.path))}`
  if (source.kind === 'logfmt') return `| logfmt ${label} = ${JSON.stringify(source.key)}`
  return undefined
}

function pathOf(path: readonly string[]): string {
  return path
    .map((key, i) => (/^[A-Za-z_]\w*$/.test(key) ? (i === 0 ? key : `.${key}`) : `["${key.replace(/"/g, '\\"')}"]`))
    .join('')
}

export function withLine(question: Question, op: string, value: string): Question {
  const stages = question.stages.filter((stage) => !(stage.kind === 'line' && stage.value === value))
  // Line filters go before parsers: they are cheaper there, and a line_format changes what they see.
  const at = stages.findIndex(({ kind }) => kind !== 'line')
  return { ...question, stages: stages.toSpliced(at < 0 ? stages.length : at, 0, { kind: 'line', op, value }) }
}

const isLevelStage = (stage: Stage): boolean => stage.kind === 'label' && stage.name === 'detected_level'

export const withoutLevels = (question: Question): Question => ({
  ...question,
  stages: question.stages.filter((stage) => !isLevelStage(stage)),
})

/** The levels that the question asks for; all where it names none. */
export function levelsOf({ stages }: Question): readonly Level[] {
  const stage = stages.find(isLevelStage)
  if (stage?.kind !== 'label') return LEVELS
  const words = stage.value.split('|')
  const named = LEVELS.filter((level) => WORDS_OF[level].some((word) => words.includes(word)))
  return stage.op.startsWith('!') ? LEVELS.filter((level) => !named.includes(level)) : named
}

export function withLevels(question: Question, levels: readonly Level[]): Question {
  const others = withoutLevels(question)
  if (levels.length === 0 || levels.length === LEVELS.length) return others
  const words = levels.flatMap((level) => WORDS_OF[level])
  const [op, value] = words.length === 1 ? ['=', words[0] ?? ''] : ['=~', words.join('|')]
  return { ...others, stages: [...others.stages, { kind: 'label', name: 'detected_level', op, value, isBare: false }] }
}

/** Whether the text is LogQL and not a plain word. */
export const isLogql = (text: string): boolean => /[{}]/.test(text) && /\{[\s\S]*[=~][\s\S]*\}/.test(text)

/** Whether the query gives lines, not numbers. */
export const givesLines = (query: string): boolean => /^\s*\{/.test(query.replace(/^(\s*#.*\n)+/, ''))

const TYPED = /^([A-Za-z_][\w.]*)\s*(=~|!~|!=|>=|<=|=|>|<)\s*("?)(.+?)\3$/

/** What a person typed behind the chips: `name=value`, `-word`, or words that lines contain. */
export function withTyped(question: Question, text: string, sourceOf: (name: string) => Source | undefined): Question {
  const [, name = '', op = '', , value = ''] = TYPED.exec(text) ?? []
  const source = sourceOf(name)
  const isBare = /[<>]/.test(op)
  if (source?.kind === 'label' && !isBare) {
    const kept = question.matchers.filter((each) => !isAll(each) && !(each.name === name && each.op === op))
    return { ...question, matchers: [...kept, { name, op, value }] }
  }
  if (name !== '') {
    const label = name === 'level' ? 'detected_level' : labelOf(name)
    const parsed = label === 'detected_level' ? question.stages : withParser(question.stages, label, source)
    return { ...question, stages: [...parsed, { kind: 'label', name: label, op, value, isBare }] }
  }
  const isNot = /^[-!]\S/.test(text)
  const words = (isNot ? text.slice(1) : text).replace(/^"(.*)"$/, '$1')
  return withLine(question, isNot ? '!=' : '|=', words)
}
