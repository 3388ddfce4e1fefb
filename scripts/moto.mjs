// Runs test/moto/*.moto.ts against an external emulator, to find errors that our own doubles and adapters share. The
// default is moto_server; if it is not installed, that is reported in one line. EMULATOR_URL is the URL of another
// running emulator, such as LocalStack; EMULATOR_DYNAMODB_URL is one for DynamoDB only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const START_MS_MAX = 30_000

const files = globSync('test/moto/*.moto.ts').sort()
const { EMULATOR_URL, EMULATOR_DYNAMODB_URL } = process.env
if (EMULATOR_URL === undefined) await runOnMoto()
else await runOnOther()

async function runOnMoto() {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const recording = join(tmpdir(), `moto-${process.pid}`)
  const server = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
    env: { ...process.env, MOTO_RECORDER_FILEPATH: recording },
  })
  const failure = await Promise.race([
    once(server, 'error'),
    isUp(`${url}/moto-api/`),
    once(server, 'exit').then(() => [{ code: 'ended' }]),
  ])
  if (failure === undefined) {
    process.exitCode = await runAll(url)
    server.kill()
    rmSync(recording, { force: true })
  } else if (failure[0].code === 'ENOENT') {
    console.log(`skipped ${files.length} files: moto_server is not installed (pip install 'moto[server]')`)
  } else {
    console.error(`moto_server did not start: ${failure[0].code}`)
    process.exitCode = 1
  }
}

async function runOnOther() {
  if (EMULATOR_DYNAMODB_URL === undefined) process.exitCode = await runAll(EMULATOR_URL)
  else {
    const router = createHttpServer(route).listen(0, '127.0.0.1')
    await once(router, 'listening')
    process.exitCode = await runAll(`http://127.0.0.1:${router.address().port}`)
    router.closeAllConnections()
    router.close()
  }
}

/** Forwards a request to the emulator of its service. */
function route(request, response) {
  const isDynamo = (request.headers['x-amz-target'] ?? '').startsWith('DynamoDB_')
  const target = new URL(request.url, isDynamo ? EMULATOR_DYNAMODB_URL : EMULATOR_URL)
  const passed = httpRequest(target, { method: request.method, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  passed.on('error', () => response.destroy())
  request.pipe(passed)
}

/** Resolves to undefined once the server responds. */
async function isUp(url) {
  const deadline = Date.now() + START_MS_MAX
  while (Date.now() < deadline) {
    const response = await fetch(url).catch(() => undefined)
    if (response?.ok) return undefined
    await delay(100)
  }
  return [{ code: `no answer in ${START_MS_MAX / 1000} seconds` }]
}

async function runAll(url) {
  // Tests pass the URL to their clients; the gateway's clients read it from AWS's own variables.
  const aws = {
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  }
  const env = { ...process.env, MOTO_URL: url, ...aws }
  let failed = 0
  for (const file of files) {
    const child = spawn(process.execPath, [file], { stdio: 'inherit', env })
    const [code] = await once(child, 'exit')
    if (code !== 0) failed++
  }
  console.log(`\n${files.length - failed} files passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}
