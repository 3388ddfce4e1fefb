/** The values of a running template. */

/**
 * Go's types: string, bool, int64 (bigint), float64 (number), time, map, slice; undefined is nil, also for a missing
 * key.
 */
export type GoValue = string | boolean | bigint | number | GoTime | GoMap | readonly GoValue[] | undefined

/** A map with string keys: the labels, or an object of fromJson. */
export interface GoMap {
  get(key: string): GoValue
  /** In ascending order of keys. */
  entries(): readonly (readonly [key: string, value: GoValue])[]
}

/** An instant with a zone for display. */
export class GoTime {
  /** Since the epoch; may exceed 64 bits (Go's zero time is in the year 1). */
  readonly ns: bigint
  /** An IANA name, `UTC`, or a fixed offset in seconds east. */
  readonly zone: string | number

  constructor(ns: bigint, zone: string | number = 'UTC') {
    this.ns = ns
    this.zone = zone
  }
}

/** 0001-01-01T00:00:00Z, the result of Go's time functions if they fail. */
export const ZERO_TIME = new GoTime(-62_135_596_800_000_000_000n)

export function isGoMap(value: GoValue): value is GoMap {
  return typeof value === 'object' && !(value instanceof GoTime) && !isList(value)
}

export function isList(value: GoValue): value is readonly GoValue[] {
  return Array.isArray(value)
}

/** Truth as for `if`: false, 0, nil and empty values are false. */
export function isTrue(value: GoValue): boolean {
  if (value === undefined || value === false || value === '' || value === 0 || value === 0n) return false
  if (isList(value)) return value.length > 0
  if (isGoMap(value)) return value.entries().length > 0
  return true
}

/** Go's name of the value's type, for messages and %T. */
export function typeName(value: GoValue): string {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float64'
    case 'undefined':
      return '<nil>'
    default:
      if (value instanceof GoTime) return 'time.Time'
      return isList(value) ? '[]interface {}' : 'map[string]interface {}'
  }
}
