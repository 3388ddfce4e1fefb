/** Characters that would control the terminal that shows a log line. */

/** Control characters, and those that change the direction or the lines of what a terminal shows. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Replaces control characters by Unicode's control pictures: a log line must not control the terminal. */
export function withoutControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    if (character < ' ') return String.fromCharCode(0x2400 + character.charCodeAt(0))
    return character <= '\u009f' ? '\u2421' : '\ufffd'
  })
}

/** JSON in which these characters are escaped: a terminal shows it too, and its value stays. */
export function escapeControls(json: string): string {
  return json.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
