/** `millrace hash-password`: hashes a password for MILLRACE_USERS. */

import { randomBytes, scrypt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import { formatPasswordHash, HASH_BYTES, SALT_BYTES, type ScryptCost, scryptMemory } from '../domain/password-hash.ts'
import type { Command, Terminal } from './commands.ts'

const PASSWORD_BYTES_MAX = 1024
const CONTROL = /\p{Cc}/u

export function hashPasswordCommand(cost: ScryptCost): Command {
  return {
    name: 'hash-password',
    summary: 'Reads a password from stdin and prints its hash for MILLRACE_USERS.',
    usage: `millrace hash-password < file

The password is the first line. Use the hash in place of the password, in MILLRACE_USERS=name:scrypt:...`,
    run: async (args, terminal) => {
      parseArgs({ args: [...args], options: {} })
      if (terminal.isInteractive) terminal.note('Type the password (it will be visible) and press Enter:\n')
      const password = await readPassword(terminal)
      terminal.out(`${await hashPassword(password, cost)}\n`)
      return 0
    },
  }
}

/** The first line, or everything if there is no newline. */
async function readPassword(terminal: Terminal): Promise<string> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of terminal.stdin) {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.includes(10) || bytes.length > PASSWORD_BYTES_MAX + 2) break
  }
  const [line = ''] = bytes.toString('utf8').split(/\r?\n/)
  if (line === '') throw new GatewayError('parameter_invalid', 'no password on stdin; send one line')
  if (Buffer.byteLength(line) > PASSWORD_BYTES_MAX) {
    throw new GatewayError(
      'parameter_invalid',
      `the password is longer than ${PASSWORD_BYTES_MAX} bytes; use a shorter one`,
    )
  }
  // A replacement character means invalid UTF-8: no client could send that password.
  if (CONTROL.test(line) || line.includes('\ufffd')) {
    throw new GatewayError(
      'parameter_invalid',
      'the password must be UTF-8 without control characters; use another one',
    )
  }
  return line
}

function hashPassword(password: string, cost: ScryptCost): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const options = { N: cost.n, r: cost.r, p: cost.p, maxmem: 2 * scryptMemory(cost) }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, options, (error, hash) => {
      if (error !== null) return reject(error)
      resolve(formatPasswordHash({ ...cost, salt: salt.toString('base64'), hash: hash.toString('base64') }))
    })
  })
}
