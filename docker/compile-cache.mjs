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
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9', // the port of "discard", where nobody listens
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

/** The first request of most functions, as a Function URL hands it in: what only it needs is compiled, too. */
const PUSH = {
  version: '2.0',
  rawPath: '/loki/api/v1/push',
  rawQueryString: '',
  headers: {
    host: 'localhost',
    authorization: `Basic ${Buffer.from('nobody:nothing').toString('base64')}`,
    'content-type': 'application/json',
  },
  requestContext: { http: { method: 'POST', path: '/loki/api/v1/push', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' } },
  body: JSON.stringify({ streams: [{ stream: { app: 'none' }, values: [[`${Date.now()}000000`, 'none']] }] }),
  isBase64Encoded: false,
}
/** It fails, after some tries; all of its code was loaded long before. */
const PUSH_MS = 3_000

for (const name of bundles) {
  const env = { ...process.env, ...(name.endsWith('-lambda.mjs') ? settings.lambda : settings.other) }
  const url = JSON.stringify(pathToFileURL(join(folder, name)).href)
  const script = `
    const { flushCompileCache } = await import('node:module')
    const { handler } = await import(${url}).catch(() => ({}))
    if (${name === 'gateway-lambda.mjs'}) {
      const answered = handler(${JSON.stringify(PUSH)}, {}).catch(() => undefined)
      await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, ${PUSH_MS}))])
    }
    flushCompileCache()
    process.exit(0)`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, stdio: 'ignore' })
  if (status !== 0) throw new Error(`${name} could not be loaded`)
}
console.log(`compiled ${bundles.length} bundles for Node ${process.version}`)
