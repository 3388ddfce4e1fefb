import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

/** The script and its imports by path. */
function scriptsOf(path: string): readonly string[] {
  const imports = [...readFileSync(path, 'utf8').matchAll(/^import (?!type )[^']*from '(\.[^']+)'/gm)]
  return [path, ...imports.flatMap(([, target = '']) => scriptsOf(join(dirname(path), target)))]
}

t.test('the image contains every script that the build runs', async (t) => {
  const lines = readFileSync('.dockerignore', 'utf8').split('\n')
  // The image contains all of src.
  t.ok(lines.includes('!src'))
  const scripts = [...scriptsOf('scripts/build.mjs'), ...scriptsOf('docker/create-resources.mjs').slice(1)]
  t.ok(scripts.length > 1)
  t.strictSame(
    scripts.filter((script) => !script.startsWith('src/') && !lines.includes(`!${script}`)),
    [],
  )
})
