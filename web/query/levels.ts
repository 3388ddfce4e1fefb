/** The six levels that the page shows, from the worst to the mildest, and lines without one. */

export const LEVELS = ['critical', 'error', 'warn', 'info', 'debug', 'unknown'] as const
export type Level = (typeof LEVELS)[number]

/** The gateway's words of each level, for filters. */
export const WORDS_OF: Readonly<Record<Level, readonly string[]>> = {
  critical: ['critical', 'fatal'],
  error: ['error'],
  warn: ['warn'],
  info: ['info'],
  debug: ['debug', 'trace'],
  unknown: ['unknown'],
}

export const SHORT: Readonly<Record<Level, string>> = {
  critical: 'CRIT',
  error: 'ERROR',
  warn: 'WARN',
  info: 'INFO',
  debug: 'DEBUG',
  unknown: '–',
}

export const SHOWN: Readonly<Record<Level, string>> = {
  critical: 'critical',
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
  unknown: 'no level',
}

export function readLevel(text: string | undefined): Level {
  const word = (text ?? '').toLowerCase()
  if (word === 'warning') return 'warn'
  return LEVELS.find((level) => level === word || WORDS_OF[level].includes(word)) ?? 'unknown'
}
