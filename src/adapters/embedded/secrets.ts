/** Random keys that live in the data folder, readable by its owner only. */

import { randomBytes } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError } from '../../domain/errors.ts'
import { makeFolder, makeWhole, syncFile, syncFolder } from './durable-files.ts'
import { withCreateLock } from './sqlite-file.ts'

/**
 * The `bytes` random bytes kept as file `name` of the data folder; made on first use, the same ever after, also where
 * several processes ask at once. Throws config_invalid when others can read the file, when it has another length or
 * when the folder cannot be written.
 */
export function loadSecret(dataDir: string, name: string, bytes: number): Uint8Array {
  const path = join(dataDir, name)
  try {
    const secret = readSecret(path, bytes) ?? createSecret(dataDir, path, bytes)
    // Before anything rests on it: the process that made it may have died before it synced.
    syncFile(path)
    syncFolder(dataDir)
    return secret
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError(
      'config_invalid',
      `the key file "${path}" cannot be read or made (${(error as NodeJS.ErrnoException).code ?? 'unknown'}); make the folder writable for this user, or set MILLRACE_DATA_DIR to another`,
      { cause: error },
    )
  }
}

function readSecret(path: string, bytes: number): Uint8Array | undefined {
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) return undefined
  // Windows has no such bits; its folders inherit who may read.
  if (process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
    const mode = (status.mode & 0o777).toString(8).padStart(4, '0')
    throw new GatewayError(
      'config_invalid',
      `the key file "${path}" has mode ${mode}, so others may have read it; delete it for a new key, or chmod 600 it if nobody has`,
    )
  }
  const secret = status.size === bytes ? readFileSync(path) : undefined
  if (secret?.length === bytes) return secret
  throw new GatewayError(
    'config_invalid',
    `the key file "${path}" has ${status.size} bytes instead of ${bytes}; put back the one that was there, or delete it for a new key`,
  )
}

function createSecret(dataDir: string, path: string, bytes: number): Uint8Array {
  makeFolder(dataDir)
  let secret: Uint8Array | undefined
  withCreateLock(dataDir, () => {
    secret = readSecret(path, bytes)
    if (secret !== undefined) return
    secret = randomBytes(bytes)
    makeWhole(path, (aside) => writeFileSync(aside, secret as Uint8Array, { mode: 0o600, flag: 'wx' }))
  })
  if (secret === undefined) throw new Error('BUG: the lock was taken and its work not done')
  return secret
}
