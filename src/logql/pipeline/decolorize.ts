/** `| decolorize`: removes terminal escape sequences from a line. */

const ESCAPE = '\u001b'
const CSI = '\u009b'

/**
 * Control sequences (ESC [ or CSI, parameters, intermediates, final), operating system commands (ESC ] to BEL or ESC \)
 * and two-character escapes, by ECMA-48. Its character classes are disjoint, so it never backtracks.
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
