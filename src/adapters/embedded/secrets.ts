/** Random keys in the data folder, readable only by its owner. */

import { randomBytes } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError } from '../../domain/errors.ts'
import { makeFolder, makeWhole, syncFile, syncFolder } from './durable-files.ts'
import { withCreateLock } from './sqlite-file.ts'

/**
 * Returns the `bytes` random bytes in file `name` of the data folder. They are created on first use and never change, also
 * if several processes ask at once. Throws config_invalid if others can read the file, if it has another length, or if the
 * folder cannot be written.
 */
export function loadSecret(dataDir: string, name: string, bytes: number): Uint8Array {
  const path = join(dataDir, name)
  try {
    const secret = readSecret(path, bytes) ?? createSecret(dataDir, path, bytes)
    // Synced before use: the process that created it may have died before the sync.
    syncFile(path)
    syncFolder(dataDir)
    return secret
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError(
      'config_invalid',
      `the key file "${path}" cannot be read or created (${(error as NodeJS.ErrnoException).code ?? 'unknown'}); make the folder writable for this user, or set MILLRACE_DATA_DIR to another`,
      { cause: error },
    )
  }
}

function readSecret(path: string, bytes: number): Uint8Array | undefined {
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) return undefined
  // Windows has no mode bits; files inherit the permissions of the folder.
  if (process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
    const mode = (status.mode & 0o777).toString(8).padStart(4, '0')
    throw new GatewayError(
      'config_invalid',
      `the key file "${path}" has mode ${mode}, so others may have read it; delete it to get a new key, or chmod 600 it if no one has read it`,
    )
  }
  const secret = status.size === bytes ? readFileSync(path) : undefined
  if (secret?.length === bytes) return secret
  throw new GatewayError(
    'config_invalid',
    `the key file "${path}" has ${status.size} bytes instead of ${bytes}; restore the original, or delete it to get a new key`,
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
  if (secret === undefined) throw new Error('BUG: the work under the lock was not done')
  return secret
}
