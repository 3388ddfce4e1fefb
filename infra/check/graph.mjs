// Prints, as JSON, the application and every resource that sst.config.ts declares for a stage, with its inputs:
// the whole configuration runs as under the SST command line, against mocks of Pulumi's engine. No account, no network.
// Usage: node infra/check/graph.mjs <stage>; run `sst install` first.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { ACCOUNT, REGION, stateOf } from '../../test/infra/resource-graph.ts'

/** Resources that depend on others register shortly after run() has returned. */
const LATE_MS = 500

/** The mark of Pulumi's own wrappers. */
const SECRET_MARK = '4dabf18193072939515e22adb298388d'

const stage = process.argv[2] ?? 'dev'
const root = process.cwd()
const platform = join(root, '.sst/platform')
const fromPlatform = createRequire(join(platform, 'package.json'))
const esbuild = fromPlatform('esbuild')
const pulumi = fromPlatform('@pulumi/pulumi') // the copy that the bundle uses too: mocks are set on it
const config = JSON.stringify(join(root, 'sst.config.ts'))

// Before any import: components read their environment when loaded.
const bootstrap = await startBootstrap()
const { app } = await load('graph-app', `export { default } from ${config}`, {}, 'const $config = (given) => given;')
const $app = { protect: false, ...app({ stage }), stage }
const run = await load(
  'graph-run',
  `import { run } from ${JSON.stringify(join(platform, 'src/auto/run.ts'))}; import config from ${config}; export default () => run(config.run);`,
  {
    plugins: [globalsPlugin()],
    inject: [join(platform, 'src/shim/run.js')],
    define: {
      $app: JSON.stringify($app),
      $cli: JSON.stringify({
        command: 'deploy',
        dev: false,
        state: { version: {} },
        paths: { home: root, root, work: join(root, '.sst'), platform },
      }),
      $dev: 'false',
    },
  },
)
const resources = mockEngine()
await pulumi.runtime.runInPulumiStack(() => run())
await setTimeout(LATE_MS)
bootstrap.close()
const { stage: _, ...declared } = $app
console.log(JSON.stringify({ app: declared, resources }, withoutSecrecy))

/** Pulumi wraps secrets; under mocks there are none. */
function withoutSecrecy(_key, value) {
  const isWrapped = typeof value === 'object' && value !== null && SECRET_MARK in value
  return isWrapped ? value.value : value
}

/** Bundles into .sst/platform, from where the externals resolve, and returns the default export. */
async function load(name, contents, options, extra = '') {
  const outfile = join(platform, `${name}.${stage}.mjs`)
  const requireBanner =
    "import { createRequire as bannerRequire } from 'node:module'; import { fileURLToPath as bannerPath } from 'node:url';" +
    "const require = bannerRequire(import.meta.url), __filename = bannerPath(import.meta.url), __dirname = bannerPath(new URL('.', import.meta.url));"
  await esbuild.build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    nodePaths: [join(platform, 'node_modules')],
    logLevel: 'error',
    external: [
      '@pulumi/*',
      '@pulumiverse/*',
      '@sst-provider/*',
      '@aws-sdk/*',
      'undici',
      'esbuild',
      'archiver',
      'glob',
      'vite',
    ],
    banner: { js: requireBanner + extra },
    ...options,
  })
  return (await import(pathToFileURL(outfile).href)).default
}

/** The globals that the configuration uses: a namespace for each provider, and SST's components. */
function globalsPlugin() {
  const providers = JSON.parse(readFileSync('.sst/provider-lock.json', 'utf8'))
  const imports = [
    ...providers.map(({ alias, package: name }) => `import * as ${alias} from ${JSON.stringify(name)};`),
    `import * as sst from ${JSON.stringify(join(platform, 'src/components'))};`,
  ].join('\n')
  const isOurs = (path) => !path.includes('/.sst/') && !path.includes('/node_modules/')
  return {
    name: 'globals',
    setup: (build) =>
      build.onLoad({ filter: /\.[jt]s$/ }, ({ path }) =>
        isOurs(path) ? { contents: `${imports}\n${readFileSync(path, 'utf8')}`, loader: 'ts' } : undefined,
      ),
  }
}

/** The command line's description of its state bucket for components. */
async function startBootstrap() {
  const answer = {
    asset: 'asset',
    assetEcrRegistryId: ACCOUNT,
    assetEcrUrl: `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/asset`,
    state: 'state',
    appsyncHttp: '',
    appsyncRealtime: '',
  }
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.end(JSON.stringify({ result: JSON.parse(body).method === 'Provider.Aws.Bootstrap' ? answer : {} }))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.env.SST_SERVER = `http://127.0.0.1:${server.address().port}`
  process.env.SST_SECRET_CognigyApiKey = 'secret-of-CognigyApiKey'
  return server
}

/** Records each resource and answers each lookup. */
function mockEngine() {
  const recorded = []
  const lookups = {
    'aws:index/getRegion:getRegion': { name: REGION, region: REGION, id: REGION },
    'aws:index/getCallerIdentity:getCallerIdentity': {
      accountId: ACCOUNT,
      arn: `arn:aws:iam::${ACCOUNT}:user/check`,
      userId: 'check',
    },
    'aws:index/getPartition:getPartition': { partition: 'aws', dnsSuffix: 'amazonaws.com' },
    'aws:ecr/getAuthorizationToken:getAuthorizationToken': { userName: 'AWS', password: 'x' },
  }
  pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        recorded.push({ type, name, inputs })
        return { id: `${name}-id`, state: { ...stateOf(name), ...inputs } }
      },
      call({ token, inputs }) {
        if (token === 'aws:iam/getPolicyDocument:getPolicyDocument') return { ...inputs, json: JSON.stringify(inputs) }
        return lookups[token] ?? inputs
      },
    },
    $app.name,
    stage,
    false,
  )
  return recorded
}
