#!/usr/bin/env node
/** The `millrace` command. */

import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { type Command, type ListedCommand, runCli, type Terminal } from '../cli/commands.ts'
import type { ExportOptions } from '../cli/export.ts'
import type { TokenMaker } from '../cli/token.ts'
import type { Config } from '../config/read-config.ts'
import { VERSION } from '../processes/version.ts'

/** Colours are for terminals, unless turned off: see no-color.org. */
const HAS_COLORS = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''

const list = (name: string, summary: string, load: () => Promise<Command>): ListedCommand => ({ name, summary, load })

const loadPush = async () => {
  // V8 collects garbage earlier. Otherwise a stream of short lines lets the heap grow to twice the size.
  setFlagsFromString('--optimize-for-size')
  const [{ pushCommand }, wait] = await Promise.all([import('../cli/push/push.ts'), loadWait()])
  return pushCommand({ nowMs: Date.now, wait, stop: stopSignal })
}

/** Each command loads its modules when it is used. */
const COMMANDS: readonly ListedCommand[] = [
  list('serve', 'Starts the gateway.', async () => (await import('../cli/serve.ts')).serveCommand(serve)),
  list('push', 'Pushes lines of files or of stdin.', loadPush),
  list('emit', 'Pushes or prints test lines, some of them errors, to test alerting.', async () => {
    return (await import('../cli/emit.ts')).emitCommand(await loadPush(), Math.random)
  }),
  list('query', 'Runs a LogQL query: finds lines or computes metrics.', async () => {
    return (await import('../cli/query/query.ts')).queryCommand(Date.now, HAS_COLORS)
  }),
  list('tail', 'Shows lines as they arrive.', async () => {
    const { tailCommand } = await import('../cli/query/tail.ts')
    const parts = { nowMs: Date.now, wait: await loadWait(), random: Math.random, timer: runLater }
    return tailCommand({ ...parts, hasColors: HAS_COLORS })
  }),
  list('labels', 'Lists label names, or the values of a label.', async () => {
    return (await import('../cli/query/labels.ts')).labelsCommand(Date.now)
  }),
  list('series', 'Lists streams: the label sets of a selector.', async () => {
    return (await import('../cli/explore/explore.ts')).exploreCommand('series', Date.now)
  }),
  list('stats', 'Counts streams, lines and bytes of a selector.', async () => {
    return (await import('../cli/explore/explore.ts')).exploreCommand('stats', Date.now)
  }),
  list('volume', 'Lists how much text each service has, the most first.', async () => {
    return (await import('../cli/explore/explore.ts')).exploreCommand('volume', Date.now)
  }),
  list('patterns', 'Lists patterns of lines with their counts, the rarest last.', async () => {
    return (await import('../cli/explore/explore.ts')).exploreCommand('patterns', Date.now)
  }),
  list('context', 'Shows the lines around a time, such as that of an error.', async () => {
    return (await import('../cli/explore/context.ts')).contextCommand(Date.now, HAS_COLORS)
  }),
  list('incidents', 'Lists incidents, most recent first.', async () => {
    return (await import('../cli/incidents.ts')).incidentsCommand(Date.now)
  }),
  list('token', 'Prints a bearer token, signed with the key in the data folder.', async () => {
    return (await import('../cli/token.ts')).tokenCommand(openTokenMaker)
  }),
  list('hash-password', 'Reads a password from stdin and prints its hash for MILLRACE_USERS.', async () => {
    const { SCRYPT_COST } = await import('../domain/password-hash.ts')
    return (await import('../cli/hash-password.ts')).hashPasswordCommand(SCRYPT_COST)
  }),
  list('backup', 'Copies the data folder of a running gateway to a new folder and verifies the copy.', async () => {
    const [{ backupCommand }, { backUpHome }, config] = await loadBackup()
    return backupCommand((folder) => backUpHome(config(), folder))
  }),
  list('restore', 'Copies a backup to the data folder, which must be empty, and verifies it.', async () => {
    const [{ restoreCommand }, { restoreHome }, config] = await loadBackup()
    return restoreCommand((folder) => restoreHome(config(), folder))
  }),
  list(
    'repair',
    'Finds damage in the data folder of a stopped gateway, sets it aside, and says what is lost.',
    async () => {
      const [{ repairCommand }, { repairHome }] = await Promise.all([
        import('../cli/repair.ts'),
        import('../homes/repair.ts'),
      ])
      const { readConfig } = await import('../config/read-config.ts')
      return repairCommand((folder, isCheck) => repairHome(readConfig(process.env), folder, isCheck))
    },
  ),
  list('export', 'Exports logs of the data folder as Parquet files.', async () => {
    return (await import('../cli/export.ts')).exportCommand(exportFolder, Date.now)
  }),
  list('import', 'Pushes the entries of Parquet files, such as those of an export.', async () => {
    return (await import('../cli/push/import.ts')).importCommand(await loadWait())
  }),
  list(
    'redrive',
    'Lists dead letters with their reasons, and brings each back to the consumer that gave it up.',
    async () => {
      return (await import('../cli/redrive.ts')).redriveCommand(openGivenUp, Date.now)
    },
  ),
  list('doctor', 'Checks address, credentials and a query of a gateway.', async () => {
    return (await import('../cli/doctor.ts')).doctorCommand()
  }),
  list('completion', 'Prints a completion script for bash, zsh or fish.', async () => {
    const { completionCommand } = await import('../cli/completion.ts')
    const load = () => Promise.all(COMMANDS.filter(({ name }) => name !== 'completion').map((each) => each.load()))
    return completionCommand(load)
  }),
]

const TERMINAL: Terminal = {
  stdin: process.stdin,
  isInteractive: process.stdin.isTTY === true,
  showsProgress: process.stderr.isTTY === true,
  out: (text) => process.stdout.write(text),
  note: (text) => process.stderr.write(text),
  client: {
    env: process.env,
    configFolder: process.env['XDG_CONFIG_HOME'] || `${homedir()}/.config`,
    readFile: (path) => {
      const stats = statSync(path, { throwIfNoEntry: false })
      if (stats?.isFile() !== true) return undefined
      // Windows has no such bits.
      const isPrivate = process.platform === 'win32' || (stats.mode & 0o077) === 0
      return { text: readFileSync(path, 'utf8'), isPrivate }
    },
  },
}

// The reader of a pipe may stop early: `millrace query … | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
const ARGUMENTS = process.argv.slice(2)
// Other users see a process's arguments in `ps`, and --user or --token may be among them.
process.title = `millrace ${ARGUMENTS[0] ?? ''}`
process.exitCode = await runCli(ARGUMENTS, COMMANDS, TERMINAL, VERSION)
// A stopped command leaves stdin open, which would keep the process alive.
process.stdin.destroy()

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  return stop.signal
}

function runLater(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

/** Loaded on demand: the other commands do not need the web server. */
async function serve(): Promise<number> {
  await import('./gateway-server.ts')
  return Number(process.exitCode ?? 0)
}

async function loadWait() {
  return (await import('../homes/machine.ts')).wait
}

async function loadBackup() {
  const { readConfig } = await import('../config/read-config.ts')
  const config = (): Config => readConfig(process.env)
  return [await import('../cli/backup.ts'), await import('../homes/backup.ts'), config] as const
}

async function openTokenMaker(): Promise<TokenMaker> {
  const config = await readSettings()
  const { LocalIssuer } = await import('../transport/http/auth/local-issuer.ts')
  const { deriveKey } = await import('../homes/derived-keys.ts')
  const { loadLocalIssuerSeed } = await import('../homes/embedded-home.ts')
  const { home, dataDir } = config.service
  const seed = home === 'aws' ? deriveKey(config, 'local issuer') : loadLocalIssuerSeed(dataDir)
  const issuer = new LocalIssuer(seed, { nowMs: Date.now })
  return { isTaken: config.auth.localIssuer, sign: (order) => issuer.sign(order) }
}

/** Loaded on demand, like DuckDB behind it. */
async function exportFolder({ folder, ...order }: ExportOptions) {
  const { runExport } = await import('../processes/archive/export-logs.ts')
  const { readConfig } = await import('../config/read-config.ts')
  return runExport(readConfig(process.env), folder, order)
}

async function openGivenUp() {
  const { aws } = await readSettings()
  const { openDeadLetters } = await import('../homes/worker-home.ts')
  return openDeadLetters(aws)
}

async function readSettings(): Promise<Config> {
  const { loadSettings } = await import('../homes/references.ts')
  return (await loadSettings(process.env)).config
}
