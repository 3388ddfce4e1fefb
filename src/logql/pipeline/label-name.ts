/** Field names of log lines to label names. */

/** A field whose label name would be longer is no label: Loki's limit for the names of stream labels. */
export const NAME_CHARS_MAX = 1024

const PLAIN_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const FOREIGN = /[^a-zA-Z0-9_]/gu

/** Every foreign character becomes `_`, and a leading digit gets one in front. White space around does not count. */
export function labelNameOf(field: string): string {
  if (PLAIN_NAME.test(field)) return field
  const name = labelNamePart(field)
  return /^[0-9]/.test(name) ? `_${name}` : name
}

/** The same for a part that follows another one, where a digit may stand first. */
export function labelNamePart(field: string): string {
  return PLAIN_NAME.test(field) ? field : field.trim().replace(FOREIGN, '_')
}
