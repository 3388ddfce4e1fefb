// Fills NODE_COMPILE_CACHE for the bundles of a folder: `node compile-cache.mjs <folder>`. Runs while the image is
// built.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = resolve(process.argv[2])
const bundles = readdirSync(folder).filter((name) => name.endsWith('.mjs') && name !== 'create-resources.mjs')
// A function starts up to its first event, before any AWS call; servers and loops are stopped by their settings after
// all their code was loaded.
const settings = {
  lambda: {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9', // the port of "discard", on which nothing listens
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

/** An event of a Function URL. */
const request = (method, path, rest) => ({
  version: '2.0',
  rawPath: path,
  rawQueryString: '',
  headers: {
    host: 'localhost',
    authorization: `Basic ${Buffer.from('nobody:nothing').toString('base64')}`,
    'content-type': 'application/json',
  },
  requestContext: { http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' } },
  isBase64Encoded: false,
  ...rest,
})
/** The first request of most functions, and the first one other than a push, so that their code is compiled too. */
const REQUESTS = [
  request('POST', '/loki/api/v1/push', {
    body: JSON.stringify({ streams: [{ stream: { app: 'none' }, values: [[`${Date.now()}000000`, 'none']] }] }),
  }),
  request('GET', '/loki/api/v1/query_range', { rawQueryString: 'query=%7Bapp%3D%22none%22%7D' }),
]
/** They fail after some attempts, long after all their code was loaded. */
const REQUESTS_MS = 3_000

for (const name of bundles) {
  const env = { ...process.env, ...(name.endsWith('-lambda.mjs') ? settings.lambda : settings.other) }
  const url = JSON.stringify(pathToFileURL(join(folder, name)).href)
  const script = `
    const { flushCompileCache } = await import('node:module')
    const { handler } = await import(${url}).catch(() => ({}))
    if (${name === 'gateway-lambda.mjs'}) {
      const answered = ${JSON.stringify(REQUESTS)}.map((event) => handler(event, {}).catch(() => undefined))
      await Promise.race([Promise.all(answered), new Promise((resolve) => setTimeout(resolve, ${REQUESTS_MS}))])
    }
    flushCompileCache()
    process.exit(0)`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, stdio: 'ignore' })
  if (status !== 0) throw new Error(`${name} could not be loaded`)
}
console.log(`compiled ${bundles.length} bundles for Node ${process.version}`)
