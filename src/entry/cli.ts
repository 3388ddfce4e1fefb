#!/usr/bin/env node
/** The `millrace` command. */

import { backupCommand, restoreCommand } from '../cli/backup.ts'
import { type Command, runCli, type Terminal } from '../cli/commands.ts'
import { emitCommand } from '../cli/emit.ts'
import { type ExportOptions, exportCommand } from '../cli/export.ts'
import { hashPasswordCommand } from '../cli/hash-password.ts'
import { incidentsCommand } from '../cli/incidents.ts'
import { importCommand } from '../cli/push/import.ts'
import { pushCommand } from '../cli/push/push.ts'
import { labelsCommand } from '../cli/query/labels.ts'
import { queryCommand } from '../cli/query/query.ts'
import { tailCommand } from '../cli/query/tail.ts'
import { redriveCommand } from '../cli/redrive.ts'
import { repairCommand } from '../cli/repair.ts'
import { serveCommand } from '../cli/serve.ts'
import { type TokenMaker, tokenCommand } from '../cli/token.ts'
import { type Config, readConfig } from '../config/read-config.ts'
import { SCRYPT_COST } from '../domain/password-hash.ts'
import { backUpHome, restoreHome } from '../homes/backup.ts'
import { deriveKey } from '../homes/derived-keys.ts'
import { loadLocalIssuerSeed } from '../homes/embedded-home.ts'
import { wait } from '../homes/machine.ts'
import { loadSettings } from '../homes/references.ts'
import { repairHome } from '../homes/repair.ts'
import { LocalIssuer } from '../transport/http/auth/local-issuer.ts'

const push = pushCommand({ nowMs: Date.now, wait, stop: stopSignal })

/** Colours are for terminals, unless turned off: see no-color.org. */
const HAS_COLORS = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''

const COMMANDS: readonly Command[] = [
  serveCommand(serve),
  push,
  emitCommand(push, Math.random),
  queryCommand(Date.now, HAS_COLORS),
  tailCommand({ nowMs: Date.now, wait, random: Math.random, timer: runLater, hasColors: HAS_COLORS }),
  labelsCommand(Date.now),
  incidentsCommand(Date.now),
  tokenCommand(openTokenMaker),
  hashPasswordCommand(SCRYPT_COST),
  backupCommand((folder) => backUpHome(readConfig(process.env), folder)),
  restoreCommand((folder) => restoreHome(readConfig(process.env), folder)),
  repairCommand((folder, isCheck) => repairHome(readConfig(process.env), folder, isCheck)),
  exportCommand(exportFolder, Date.now),
  importCommand(wait),
  redriveCommand(openGivenUp, Date.now),
]

const TERMINAL: Terminal = {
  stdin: process.stdin,
  isInteractive: process.stdin.isTTY === true,
  showsProgress: process.stderr.isTTY === true,
  out: (text) => process.stdout.write(text),
  note: (text) => process.stderr.write(text),
}

// The reader of a pipe may stop early: `millrace query … | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
process.exitCode = await runCli(process.argv.slice(2), COMMANDS, TERMINAL)
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

async function openTokenMaker(): Promise<TokenMaker> {
  const config = await readSettings()
  const { home, dataDir } = config.service
  const seed = home === 'aws' ? deriveKey(config, 'local issuer') : loadLocalIssuerSeed(dataDir)
  const issuer = new LocalIssuer(seed, { nowMs: Date.now })
  return { isTaken: config.auth.localIssuer, sign: (order) => issuer.sign(order) }
}

/** Loaded on demand, like DuckDB behind it. */
async function exportFolder({ folder, ...order }: ExportOptions) {
  const { runExport } = await import('../processes/archive/export-logs.ts')
  return runExport(readConfig(process.env), folder, order)
}

async function openGivenUp() {
  const { aws } = await readSettings()
  const { openDeadLetters } = await import('../homes/worker-home.ts')
  return openDeadLetters(aws)
}

async function readSettings(): Promise<Config> {
  return (await loadSettings(process.env)).config
}
