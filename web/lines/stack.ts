/** Stack traces: which lines of an entry are folded behind its first. */

const FRAME = /^\s+(at |File "|\.\.\. \d+ more|from )|^\s*(Caused by:|Traceback |goroutine \d+)|^\t/

export interface Folded {
  readonly head: string
  /** Lines behind the head. */
  readonly more: number
  readonly isStack: boolean
}

export function fold(text: string): Folded {
  const end = text.indexOf('\n')
  if (end < 0) return { head: text, more: 0, isStack: false }
  const rest = text
    .slice(end + 1)
    .replace(/\n+$/, '')
    .split('\n')
  return {
    head: text.slice(0, end),
    more: rest[0] === '' && rest.length === 1 ? 0 : rest.length,
    isStack: rest.some((line) => FRAME.test(line)),
  }
}
