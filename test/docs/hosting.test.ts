/** docs/hosting and the compose files: parsed, and compared with the gateway's routes, limits and start. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { listSettings } from '../../src/config/read-config.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { buildTestApp } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const variables = listSettings().map(({ variable }) => variable)
const BODY_BYTES_MAX = SETTINGS.push.limits.bodyBytesMax.default as number
const QUERY_TIMEOUT_SECONDS = (SETTINGS.query.timeoutMs.default as number) / 1000
/** How long the gateway may take to stop, as docs/operations.md says. */
const STOP_SECONDS = 20

interface Service {
  readonly image: string
  readonly build?: { readonly target: string }
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test?: unknown; readonly disable?: boolean }
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes?: Readonly<Record<string, unknown>>
}

const composeOf = (path: string): Compose => parse(read(path), { merge: true })

for (const path of ['docker-compose.yml', 'compose.embedded.yml']) {
  t.test(`${path}: everything a service needs is there`, async (t) => {
    const { services, volumes = {} } = composeOf(path)
    for (const [name, service] of Object.entries(services)) {
      t.match(service.image, /^(millrace:local|\$\{[A-Z_]+_IMAGE:-[a-z/-]+:[a-z0-9.-]+\})$/, `${name}: a pinned tag`)
      t.notMatch(service.image, ':latest', name)
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        t.ok(other in services, `${name} depends on ${other}`)
        const health = services[other]?.healthcheck
        const isOurs = services[other]?.image === 'millrace:local' && health?.disable !== true
        if (condition === 'service_healthy') t.ok(isOurs || health?.test !== undefined, `${other} has a health`)
      }
      for (const mount of service.volumes ?? []) {
        const [source = ''] = mount.split(':')
        t.ok(source.startsWith('./') ? existsSync(source) : source in volumes, `${name} mounts ${source}`)
      }
      for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:\d+:\d+$/, `${name} is on loopback`)
      const settings = Object.keys(service.environment ?? {}).filter((key) => key.startsWith('MILLRACE_'))
      t.same(
        settings.filter((key) => !variables.includes(key)),
        [],
        name,
      )
    }
  })

  t.test(`${path}: Grafana has the data source and the dashboard, with matching uids`, async (t) => {
    const { grafana, gateway } = composeOf(path).services
    const [datasource] = parse(read('docker/grafana/datasources/millrace.yaml')).datasources
    t.equal(datasource.url, 'http://gateway:3100')
    t.equal(
      gateway?.environment?.['MILLRACE_USERS'],
      `${datasource.basicAuthUser}:${datasource.secureJsonData.basicAuthPassword}`,
    )
    const text = read('docs/clients/grafana-dashboard.json')
    const uids = [...text.matchAll(/"type": "loki",\s*"uid": "([^"]+)"/g)].map(([, uid]) => uid)
    t.ok(uids.length > 10)
    t.same([...new Set(uids)], [datasource.uid])
    const [provider] = parse(read('docker/grafana/dashboards/millrace.yaml')).providers
    const mounts = grafana?.volumes ?? []
    t.ok(mounts.includes('./docker/grafana:/etc/grafana/provisioning:ro'))
    t.ok(mounts.includes(`./docs/clients/grafana-dashboard.json:${provider.options.path}/millrace.json:ro`))
  })

  t.test(`${path}: Alloy pushes the sample to the gateway as its user`, async (t) => {
    const { alloy, gateway } = composeOf(path).services
    const config = read('docker/alloy/config.alloy')
    t.match(config, 'url = "http://gateway:3100/loki/api/v1/push"')
    const [, user] = /username = "(\w+)"/.exec(config) ?? []
    const [, password] = /password = "(\w+)"/.exec(config) ?? []
    t.equal(gateway?.environment?.['MILLRACE_USERS'], `${user}:${password}`)
    t.ok(alloy?.volumes?.includes('./docker/sample:/var/log/sample:ro'))
    t.ok(existsSync('docker/sample/app.log'), 'there are lines to push')
  })
}

t.test('the tag of LocalStack has its reason beside it', async (t) => {
  t.match(
    read('docker-compose.yml'),
    /LOCALSTACK_AUTH_TOKEN[^\n]*\n[^\n]*\n\s+image: \$\{AWS_EMULATOR_IMAGE:-localstack\/localstack:4\.14\.0\}/,
  )
})

const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0
t.test('docker compose reads both files', { skip: hasCompose ? false : 'no docker compose here' }, async (t) => {
  for (const file of ['docker-compose.yml', 'compose.embedded.yml']) {
    const run = spawnSync('docker', ['compose', '--file', file, 'config', '--quiet'], { encoding: 'utf8' })
    t.equal(run.status, 0, run.stderr)
  }
})

t.test(
  'the gateway runs with the settings of the image and of compose.embedded.yml, and its health says so',
  async (t) => {
    const [, server = ''] = read('Dockerfile').split(' AS server')
    const image = [...(/^ENV (.*)$/m.exec(server)?.[1] ?? '').matchAll(/(MILLRACE_\w+)=(\S+)/g)]
    const environment = Object.fromEntries(image.map(([, name = '', value = '']) => [name, value]))
    t.equal(environment['MILLRACE_DATA_DIR'], '/data')
    t.match(read('compose.embedded.yml'), 'data:/data')
    const users = composeOf('compose.embedded.yml').services['gateway']?.environment ?? {}
    const { MILLRACE_DATA_DIR: _, MILLRACE_HOST: host = '', ...others } = { ...environment, ...users }
    t.equal(host, '0.0.0.0', 'reached from outside the container, so with credentials')
    const gateway = await GatewayProcess.start({ dataDir: testFolder(t), env: others })
    t.teardown(() => gateway.kill())
    const health = (port: number) =>
      spawnSync(process.execPath, ['docker/healthcheck.mjs'], { env: { ...process.env, MILLRACE_PORT: String(port) } })
    t.equal(health(gateway.port).status, 0)
    const { status } = await fetch(`${gateway.url}/loki/api/v1/labels`)
    t.equal(status, 401)
    await gateway.kill()
    t.equal(health(gateway.port).status, 1)
  },
)

t.test(
  'the systemd unit starts an existing command, allows time to stop, and has no needless privileges',
  async (t) => {
    const sections = new Map<string, Map<string, string>>()
    let section = new Map<string, string>()
    for (const line of read('docs/hosting/millrace.service').split('\n')) {
      const [, name] = /^\[(\w+)\]$/.exec(line) ?? []
      const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
      if (name !== undefined) {
        section = new Map()
        sections.set(name, section)
      } else if (key !== '') {
        t.notOk(section.has(key), `${key} is there once`)
        section.set(key, value)
      } else t.match(line, /^(#.*)?$/, 'a section, a setting or a comment')
    }
    t.same([...sections.keys()], ['Unit', 'Service', 'Install'])
    const service = sections.get('Service') as Map<string, string>
    const [node = '', script = ''] = service.get('ExecStart')?.split(' ') ?? []
    for (const path of [node, script]) t.ok(existsSync(path.replace('/opt/millrace/', '')), path)
    const environment = service.get('Environment') ?? ''
    t.match(environment, `MILLRACE_DATA_DIR=/var/lib/${service.get('StateDirectory')}`)
    for (const [name] of environment.matchAll(/MILLRACE_\w+/g)) t.ok(variables.includes(name), name)
    t.ok(Number(service.get('TimeoutStopSec')) > STOP_SECONDS)
    t.equal(service.get('DynamicUser'), 'yes')
    t.equal(service.get('ProtectSystem'), 'strict')
    t.notOk(service.has('MemoryDenyWriteExecute'), 'V8 writes code')
  },
)

interface KubernetesObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own form
  readonly [field: string]: any
}

t.test('the Kubernetes objects fit together, and their probes ask routes that need no password', async (t) => {
  const documents = parseAllDocuments(read('docs/hosting/kubernetes.yaml'))
  t.same(
    documents.flatMap(({ errors }) => errors),
    [],
  )
  const objects = new Map(
    documents.map((document) => document.toJS() as KubernetesObject).map((each) => [each.kind, each]),
  )
  t.same([...objects.keys()], ['Namespace', 'Secret', 'Service', 'StatefulSet'])
  const namespace = objects.get('Namespace')?.metadata.name
  for (const { kind, metadata } of objects.values())
    if (kind !== 'Namespace') t.equal(metadata.namespace, namespace, kind)
  const { spec } = objects.get('StatefulSet') as KubernetesObject
  const { containers, volumes, ...pod } = spec.template.spec
  const [container] = containers
  t.equal(spec.replicas, 1, 'a data folder has one process')
  t.same(spec.selector.matchLabels, spec.template.metadata.labels)
  t.same(objects.get('Service')?.['spec'].selector, spec.template.metadata.labels)
  t.equal(spec.serviceName, objects.get('Service')?.metadata.name)
  const [{ targetPort, port }] = (objects.get('Service') as KubernetesObject)['spec'].ports
  t.same(container.ports, [{ name: targetPort, containerPort: port }])
  t.equal(container.envFrom[0].secretRef.name, objects.get('Secret')?.metadata.name)
  for (const name of Object.keys(objects.get('Secret')?.['stringData'])) t.ok(variables.includes(name), name)
  const claims = spec.volumeClaimTemplates.map(({ metadata }: KubernetesObject) => metadata.name)
  const named = [...claims, ...volumes.map(({ name }: { name: string }) => name)]
  for (const { name } of container.volumeMounts) t.ok(named.includes(name), name)
  t.match(container.volumeMounts, [{ name: 'data', mountPath: '/data' }])
  t.ok(pod.terminationGracePeriodSeconds > STOP_SECONDS)
  t.match(pod.securityContext, { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 }, 'node, as in the image')
  t.match(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true })
  const { app } = await buildTestApp(t)
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { path } = container[probe].httpGet
    t.equal((await app.inject({ url: path })).statusCode, 200, `${probe}: ${path}`)
  }
})

/** Directives with their blocks, as in nginx and Caddy; nginx ends lines with `;`. */
interface Directive {
  readonly words: readonly string[]
  readonly block?: readonly Directive[]
}

function parseDirectives(text: string, end: ';' | '\n'): Directive[] {
  const pattern = /'[^']*'|[^\s{};']+|[{}]|;|\n/g
  const tokens =
    text
      .replaceAll(/(^|\s)#.*$/gm, '')
      .match(pattern)
      ?.filter((token) => end === '\n' || token !== '\n') ?? []
  let at = 0
  const block = (isInner: boolean): Directive[] => {
    const directives: Directive[] = []
    let words: string[] = []
    for (; at < tokens.length; at++) {
      const token = tokens[at] as string
      if (token === '{') {
        at++
        directives.push({ words, block: block(true) })
        words = []
      } else if (token === '}') {
        if (!isInner || words.length > 0) throw new Error(`a } too many, or a line without its end: ${words.join(' ')}`)
        return directives
      } else if (token === end) {
        if (words.length > 0) directives.push({ words })
        words = []
      } else words.push(token)
    }
    if (isInner || words.length > 0) throw new Error('the end is missing')
    return directives
  }
  return block(false)
}

function findDirective(directives: readonly Directive[], name: string): Directive | undefined {
  for (const each of directives) {
    if (each.words[0] === name) return each
    const inner = findDirective(each.block ?? [], name)
    if (inner !== undefined) return inner
  }
  return undefined
}

t.test('nginx and Caddy accept what the gateway accepts, wait as long, and do not buffer a tail', async (t) => {
  const nginx = parseDirectives(read('docs/hosting/nginx.conf'), ';')
  const said = (name: string) => findDirective(nginx, name)?.words.slice(1).join(' ')
  t.equal(Number(said('client_max_body_size')?.replace('m', '')) * 2 ** 20, BODY_BYTES_MAX)
  t.ok(Number(said('proxy_read_timeout')?.replace('m', '')) * 60 > QUERY_TIMEOUT_SECONDS)
  t.equal(said('proxy_buffering'), 'off')
  t.equal(said('proxy_http_version'), '1.1', 'WebSockets')
  t.equal(findDirective(nginx, 'upstream')?.block?.[0]?.words.join(' '), 'server 127.0.0.1:3100')
  const location = findDirective(nginx, 'location')?.block?.map(({ words }) => words.join(' ')) ?? []
  t.ok(location.includes('proxy_set_header Upgrade $http_upgrade'))
  t.ok(location.includes('proxy_set_header Connection $connection_upgrade'))

  const caddy = parseDirectives(read('docs/hosting/Caddyfile'), '\n')
  const of = (name: string) => findDirective(caddy, name)?.words.slice(1).join(' ')
  t.equal(of('reverse_proxy'), '127.0.0.1:3100')
  t.equal(Number(of('max_size')?.replace('MiB', '')) * 2 ** 20, BODY_BYTES_MAX)
  t.equal(of('flush_interval'), '-1')
  t.ok(Number(of('response_header_timeout')?.replace('m', '')) * 60 > QUERY_TIMEOUT_SECONDS)
  t.throws(() => parseDirectives('a { b;', ';'), 'what is not closed is seen')
})

t.test('docs/hosting/README.md names each of its files', async (t) => {
  for (const name of ['millrace.service', 'kubernetes.yaml', 'Caddyfile', 'nginx.conf']) {
    t.match(read('docs/hosting/README.md'), `[${name}](${name})`)
  }
})
