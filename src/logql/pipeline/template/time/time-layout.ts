/**
 * Parses Go's time layouts, which spell a reference time: `2006-01-02T15:04:05.000Z07:00`. See https://pkg.go.dev/time.
 */

export type LayoutPart =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'element'; readonly name: LayoutElement }
  /** A fraction of a second after its `.` or `,`; trailing zeros are omitted if it is written with nines. */
  | { readonly kind: 'fraction'; readonly mark: string; readonly digits: number; readonly isTrimmed: boolean }

export type LayoutElement = (typeof ELEMENTS)[number]

/** Longer elements come before their prefixes. */
const ELEMENTS = [
  'January',
  'Jan',
  'Monday',
  'Mon',
  'MST',
  '002',
  '01',
  '02',
  '03',
  '04',
  '05',
  '06',
  '15',
  '1',
  '2006',
  '2',
  '__2',
  '_2',
  '3',
  '4',
  '5',
  'PM',
  'pm',
  '-07:00:00',
  '-070000',
  '-07:00',
  '-0700',
  '-07',
  'Z07:00:00',
  'Z070000',
  'Z07:00',
  'Z0700',
  'Z07',
] as const

const BEGINNINGS = new Set<string>(ELEMENTS.map((element) => element[0] as string))
const FRACTION = /[.,](0+|9+)(?!\d)/y

/** The parts of a layout; text that is not an element is literal. */
export function parseLayout(layout: string): readonly LayoutPart[] {
  const parts: LayoutPart[] = []
  let literal = ''
  for (let at = 0; at < layout.length; ) {
    const part = partAt(layout, at)
    if (part === undefined) {
      literal += layout[at++]
      continue
    }
    if (literal !== '') parts.push({ kind: 'literal', text: literal })
    literal = ''
    parts.push(part)
    at += part.kind === 'element' ? part.name.length : part.digits + 1
  }
  if (literal !== '') parts.push({ kind: 'literal', text: literal })
  return parts
}

type ElementPart = Exclude<LayoutPart, { kind: 'literal' }>

function partAt(layout: string, at: number): ElementPart | undefined {
  const first = layout[at] as string
  if (first === '.' || first === ',') {
    FRACTION.lastIndex = at
    const digits = FRACTION.exec(layout)?.[1]
    if (digits === undefined) return undefined
    return { kind: 'fraction', mark: first, digits: digits.length, isTrimmed: digits.startsWith('9') }
  }
  if (!BEGINNINGS.has(first)) return undefined
  // `_2006` is a literal underscore and the year.
  if (layout.startsWith('_2006', at)) return undefined
  const name = ELEMENTS.find((element) => layout.startsWith(element, at))
  if (name === undefined) return undefined
  // `Janitor` and `Month` are words.
  const isShortName = name === 'Jan' || name === 'Mon'
  if (isShortName && /[a-z]/.test(layout[at + name.length] ?? '')) return undefined
  return { kind: 'element', name }
}

export const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const

export const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
