// Writes the pictures in the documents: runs scenarios of the page in Debian's chromium and saves their screenshots.
// `npm run pictures`; look at them before they are committed.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** [words of a scenario, its picture, the picture in docs] */
const PICTURES = [
  ['first visit', 'overview', 'overview'],
  ['lines: columns', 'lines', 'page'],
  ['phone', 'incident-phone', 'incident-phone'],
]
const folder = mkdtempSync(join(tmpdir(), 'millrace-pictures-'))
try {
  for (const [words, made, name] of PICTURES) {
    const run = spawnSync(process.execPath, ['test/page/browser.mjs', folder, words], { stdio: 'inherit' })
    const picture = join(folder, `${made}.png`)
    if (run.status !== 0 || !existsSync(picture)) {
      console.error(`docs/${name}.png was not written: the scenario "${words}" failed, or there is no chromium`)
      process.exitCode = 1
    } else copyFileSync(picture, `docs/${name}.png`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
