/** Escape codes of terminals as parts with a style; other control characters as visible ones. */

export interface Part {
  readonly text: string
  /** Classes of the style sheet: `a1` … `a15`, `bold`. */
  readonly style: string
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for
const CODE = /\u001b\[([\d;]*)([A-Za-z])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g
/** Controls beside tab and end of line, and what turns the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Whether there is anything to do for this text. */
export const isPlain = (text: string): boolean => text.search(HIDDEN) < 0

export function visible(text: string): string {
  return text.replace(HIDDEN, (char) => {
    const code = char.charCodeAt(0)
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '␡' : '�'
  })
}

export const stripAnsi = (text: string): string => text.replace(CODE, '')

export function partsOf(text: string): readonly Part[] {
  const parts: Part[] = []
  let color = ''
  let isBold = false
  let at = 0
  const take = (end: number): void => {
    if (end > at) parts.push({ text: visible(text.slice(at, end)), style: `${color}${isBold ? ' bold' : ''}`.trim() })
  }
  for (const match of text.matchAll(CODE)) {
    take(match.index)
    at = match.index + match[0].length
    if (match[2] !== 'm') continue
    const codes = (match[1] ?? '').split(';').map(Number)
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i] ?? 0
      if (code === 0) [color, isBold] = ['', false]
      else if (code === 1) isBold = true
      else if (code === 22) isBold = false
      else if (code === 39) color = ''
      else if (code >= 30 && code <= 37) color = `a${code - 30}`
      else if (code >= 90 && code <= 97) color = `a${code - 82}`
      // A color of 256 or of 16 million: its numbers are no codes.
      else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4
    }
  }
  take(text.length)
  return parts
}
