/** Formats a tree as a regular expression with the same meaning, for RE2 or for the engine's own RegExp. */

import type { RegexpNode } from './regexp-tree.ts'

const SYNTAX_CHARS = /[\\^$.*+?()[\]{}|/]/

/** A set of every character, which has no brackets in RE2. */
const EVERYTHING = '[^]'

export type Dialect = 're2' | 'own'

export function writeRegexp(node: RegexpNode, dialect: Dialect): string {
  const write = (each: RegexpNode): string => writeRegexp(each, dialect)
  switch (node.kind) {
    case 'char':
      return SYNTAX_CHARS.test(node.char) ? `\\${node.char}` : node.char
    case 'set':
      return dialect === 're2' && node.source === EVERYTHING ? '(?s:.)' : node.source
    case 'begin':
      return '^'
    case 'end':
      return '$'
    case 'word_edge':
      return '\\b'
    case 'sequence':
      return node.items.map(write).join('')
    case 'alternation':
      return node.items.map(write).join('|')
    case 'group':
      return `(${node.name === undefined ? '?:' : ''}${write(node.body)})`
    case 'repeat':
      return `${write(node.body)}{${node.min},${node.max === Number.POSITIVE_INFINITY ? '' : node.max}}${node.isLazy ? '?' : ''}`
  }
}

/** The names of the groups by group number; '' for group 0 and unnamed groups. */
export function groupNamesOf(root: RegexpNode): string[] {
  const names = ['']
  const walk = (node: RegexpNode): void => {
    if (node.kind === 'sequence' || node.kind === 'alternation') for (const item of node.items) walk(item)
    if (node.kind === 'group' && node.name !== undefined) names.push(node.name)
    if (node.kind === 'group' || node.kind === 'repeat') walk(node.body)
  }
  walk(root)
  return names
}
