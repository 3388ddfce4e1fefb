/** A question in plain words: what its chips say, what is marked in its lines, and what of a wrong query reads like words. */

import type { Question, Stage } from './chips.ts'

/** How a chip is read aloud and shown. */
export function wordsOfOp(op: string): string {
  const words: Readonly<Record<string, string>> = {
    '=': 'is',
    '==': 'is',
    '!=': 'is not',
    '=~': 'matches',
    '!~': 'does not match',
    '|=': 'contains',
    '|~': 'matches',
    '|>': 'has the pattern',
    '!>': 'does not have the pattern',
  }
  return words[op] ?? op
}

export const wordsOfLineOp = (op: string): string =>
  op === '!=' ? 'does not contain' : op === '!~' ? 'does not match' : wordsOfOp(op)

/** A stage in words: what it filters, how, and by what. */
export function wordsOfStage(stage: Stage): { readonly name: string; readonly words: string; readonly value: string } {
  if (stage.kind === 'text') return { name: '', words: '', value: stage.text.replace(/^\| /, '') }
  if (stage.kind === 'line') return { name: '', words: wordsOfLineOp(stage.op), value: stage.value }
  if (stage.name !== 'detected_level') return { name: stage.name, words: wordsOfOp(stage.op), value: stage.value }
  const words = stage.op.startsWith('!') ? 'is not' : 'is'
  return { name: 'level', words, value: stage.value.replaceAll('|', ', ') }
}

/** What lines were searched for, as an expression that finds it in them; undefined where nothing plain was. */
export function needlesOf(question: Question | undefined): RegExp | undefined {
  const found = (question?.stages ?? []).flatMap((stage) => {
    if (stage.kind !== 'line' || stage.value === '') return []
    if (stage.op === '|=') return [{ text: stage.value, flag: '' }]
    const [, flag = '', text = ''] = /^(\(\?i\))?([^\\^$.|?*+()[\]{}]+)$/.exec(stage.value) ?? []
    return stage.op === '|~' && text !== '' ? [{ text, flag }] : []
  })
  if (found.length === 0) return undefined
  const literals = found.map(({ text }) => text.replace(/[\\^$.|?*+()[\]{}/-]/g, '\\$&'))
  return new RegExp(`(${literals.join('|')})`, found.some(({ flag }) => flag !== '') ? 'gi' : 'g')
}

/** What of a wrong query reads like words: what stands behind its selector, without the marks of LogQL. */
export function plainWords(query: string): string {
  const behind = query.replace(/^\s*\{[^}]*\}/, '')
  return (behind.trim() === '' ? query : behind).replace(/^[\s|=!~>{]+|[\s}]+$/g, '').replace(/^(["'`])(.*)\1$/s, '$2')
}
