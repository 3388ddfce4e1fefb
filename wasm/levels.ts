/** Codes of levels: src/domain/levels/level.ts. */

export const NONE = 0
export const UNKNOWN = 1
export const TRACE = 2
export const DEBUG = 3
export const INFO = 4
export const WARN = 5
export const ERROR = 6
export const CRITICAL = 7
export const FATAL = 8
