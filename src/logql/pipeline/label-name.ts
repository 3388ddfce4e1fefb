/** Converts field names of log lines to label names. */

/** Fields with longer label names are skipped: Loki's limit for the names of stream labels. */
export const NAME_CHARS_MAX = 1024

const PLAIN_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const FOREIGN = /[^a-zA-Z0-9_]/gu

/** Every invalid character becomes `_`, and a leading digit is prefixed with it. Surrounding white space is trimmed. */
export function labelNameOf(field: string): string {
  if (PLAIN_NAME.test(field)) return field
  const name = labelNamePart(field)
  return /^[0-9]/.test(name) ? `_${name}` : name
}

/** The same for a part after another one, which may start with a digit. */
export function labelNamePart(field: string): string {
  return PLAIN_NAME.test(field) ? field : field.trim().replace(FOREIGN, '_')
}
