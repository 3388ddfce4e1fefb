/** Durations in settings and on the command line: `7d`, `1h30m`, `500ms`. */

const UNITS = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const
const FORM = /^(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?$/

/** Parses parts with the largest unit first, or `0`, to milliseconds; undefined for anything else, such as no unit. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const match = FORM.exec(text)
  if (match === null || text === '') return undefined
  return UNITS.reduce((sum, [, ms], index) => sum + Number(match[index + 1] ?? 0) * ms, 0)
}

/** Formats a text that parses to `ms`. Weeks are parsed but not written: 14d is clearer than 2w. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0'
  let rest = ms
  let text = ''
  for (const [unit, unitMs] of UNITS.slice(1)) {
    const count = Math.floor(rest / unitMs)
    rest -= count * unitMs
    if (count > 0) text += `${count}${unit}`
  }
  return text
}
