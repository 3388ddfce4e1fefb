// Fills NODE_COMPILE_CACHE for the bundles of a folder: `node compile-cache.mjs <folder>`. Run while the image is built.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = resolve(process.argv[2])
const bundles = readdirSync(folder).filter((name) => name.endsWith('.mjs') && name !== 'create-resources.mjs')
// A function starts as far as it does before its first event, where nothing is asked of AWS; what serves or loops is
// stopped by its settings, after all of its code was loaded.
const settings = {
  lambda: {
    AWS_REGION: 'us-east-1',
    MILLRACE_HOME: 'aws',
    MILLRACE_TABLE: 'none',
    MILLRACE_BUCKET: 'none',
    MILLRACE_FIREHOSE_STREAM: 'none',
    MILLRACE_QUEUE_URL: 'http://localhost/none',
    MILLRACE_KEY_SECRET: 'a secret that opens nothing anywhere',
    MILLRACE_USERS: 'nobody:nothing',
    MILLRACE_CACHE_DIR: mkdtempSync(join(tmpdir(), 'compile-cache-')),
  },
  other: { MILLRACE_HOME: 'nowhere' },
}

for (const name of bundles) {
  const env = { ...process.env, ...(name.endsWith('-lambda.mjs') ? settings.lambda : settings.other) }
  const url = JSON.stringify(pathToFileURL(join(folder, name)).href)
  const script = `
    const { flushCompileCache } = await import('node:module')
    await import(${url}).catch(() => undefined)
    flushCompileCache()
    process.exit(0)`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, stdio: 'ignore' })
  if (status !== 0) throw new Error(`${name} could not be loaded`)
}
console.log(`compiled ${bundles.length} bundles for Node ${process.version}`)
