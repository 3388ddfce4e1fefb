/** `| decolorize`: removes terminal escape sequences from a line. */

const ESCAPE = '\u001b'
const CSI = '\u009b'

/**
 * Control sequences (ESC [ or CSI, parameters, intermediates, final), operating system commands (ESC ] to BEL or
 * ESC \) and two-character escapes, as ECMA-48 has them. Its character classes exclude each other, so that no text
 * makes it try twice.
 */
const SEQUENCES = new RegExp(
  [
    `(?:${ESCAPE}\\[|${CSI})[0-?]*[ -/]*[@-~]`,
    `${ESCAPE}\\][^\u0007${ESCAPE}]*(?:\u0007|${ESCAPE}\\\\)`,
    `${ESCAPE}[ -/]*[0-Z\\\\^-~]`,
  ].join('|'),
  'g',
)

export function decolorize(line: string): string {
  return line.includes(ESCAPE) || line.includes(CSI) ? line.replace(SEQUENCES, '') : line
}
