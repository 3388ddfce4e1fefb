/** Keys of OTLP's JSON: both spellings, and unknown keys in place of missing ones. */

import { GatewayError } from '../../domain/errors.ts'
import { nearestName } from '../../kit/nearest-name.ts'
import { isJsonObject, type JsonObject, type JsonValue, jsonKind } from '../bytes/exact-json.ts'

/** Maximum number of keys in an error, and maximum length of each. */
const KEYS_SHOWN_MAX = 5
const KEY_CHARS_MAX = 32

/** The member under its lowerCamelCase or snake_case name; undefined if absent or null. */
export function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  return object.get(name) ?? object.get(snakeCase(name)) ?? undefined
}

/** Whether the member exists, even as null. */
export function hasMember(object: JsonObject, name: string): boolean {
  return object.has(name) || object.has(snakeCase(name))
}

/**
 * Throws body_malformed if `wanted` is missing and there is an unknown key: unknown keys are ignored, as protobuf
 * requires, but not in place of a key that carries data.
 */
export function requireKey(object: JsonObject, where: string, wanted: string, known: readonly string[]): void {
  if (hasMember(object, wanted)) return
  const others = [...object.keys()].filter((key) => !known.some((name) => key === name || key === snakeCase(name)))
  if (others.length === 0) return
  const shown = others.slice(0, KEYS_SHOWN_MAX).map((key) => JSON.stringify(key.slice(0, KEY_CHARS_MAX)))
  throw new GatewayError('body_malformed', `OTLP JSON: ${where} has no "${wanted}"; found ${shown.join(', ')}`)
}

/**
 * Throws body_malformed for an unknown key that is nearly one of `known`, which the object does not have: ignoring it
 * would drop data.
 */
export function refuseMisspelt(object: JsonObject, where: string, known: readonly string[]): void {
  const fault = misspellingIn(object, known)
  if (fault !== undefined) throw new GatewayError('body_malformed', `OTLP JSON: ${where} ${fault}`)
}

/** `has no "attributes"; found "Attributes"`; undefined if no unknown key is nearly one of `known`. */
export function misspellingIn(object: JsonObject, known: readonly string[]): string | undefined {
  for (const key of object.keys()) {
    if (known.some((name) => key === name || key === snakeCase(name))) continue
    const wanted = nearestName(key.replaceAll('_', ''), known)
    if (wanted === undefined || hasMember(object, wanted)) continue
    return `has no "${wanted}"; found ${JSON.stringify(key.slice(0, KEY_CHARS_MAX))}`
  }
  return undefined
}

/** The first key of the object that equals one of `names`, ignoring case and underscores. */
export function keyLike(object: JsonObject, names: ReadonlySet<string>): string | undefined {
  for (const key of object.keys()) if (names.has(key.toLowerCase().replaceAll('_', ''))) return key
  return undefined
}

export function objectOf(object: JsonObject, name: string): JsonObject {
  const value = memberOf(object, name) ?? NOTHING
  return isJsonObject(value) ? value : refuse(name, value, 'an object')
}

export function listOf(object: JsonObject, name: string): readonly JsonObject[] {
  return itemsOf(object, name).map((item) =>
    isJsonObject(item) ? item : refuse(`an item of ${name}`, item, 'an object'),
  )
}

export function itemsOf(object: JsonObject, name: string): readonly JsonValue[] {
  const value = memberOf(object, name) ?? []
  return Array.isArray(value) ? value : refuse(name, value, 'an array')
}

export function refuse(name: string, value: JsonValue, wanted: string): never {
  throw new GatewayError('body_malformed', `OTLP JSON: ${name} is ${jsonKind(value)}; send ${wanted}`)
}

const NOTHING: JsonObject = new Map()
const SNAKE_CASE = new Map<string, string>()

/** `name` is one of OTLP's own, so the cache is bounded. */
function snakeCase(name: string): string {
  let snake = SNAKE_CASE.get(name)
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    SNAKE_CASE.set(name, snake)
  }
  return snake
}
