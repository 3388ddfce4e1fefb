/** Checks names and passwords against the configured users, in a time that reveals nothing about either. */

import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import type { User, UserSource } from '../../../config/users.ts'
import { GatewayError } from '../../../domain/errors.ts'
import {
  HASH_BYTES,
  isHashed,
  type PasswordHash,
  parsePasswordHash,
  scryptMemory,
} from '../../../domain/password-hash.ts'

/** Maximum number of waiting hash checks; they run one at a time, as each takes a core and tens of megabytes. */
const WAITING_MAX = 32

interface Account {
  readonly user: User
  readonly name: Buffer
  /** The digest of a plain password; undefined if the password is hashed. */
  readonly password: Buffer | undefined
  readonly hash: PasswordHash | undefined
  /** The digest of the password that matched the hash, so that later requests need no scrypt. */
  proven: Buffer | undefined
}

interface Accounts {
  /** The users that the accounts were created from. */
  readonly users: readonly User[]
  readonly list: readonly Account[]
  /** Checked for an unknown name. */
  readonly decoy: Account
  /** Set if any password is hashed: then every check without a proven digest costs one scrypt. */
  readonly costliest: PasswordHash | undefined
}

/**
 * Compares digests under a key of this process, so that timing does not reveal lengths, multi-byte characters or the
 * position of the first difference. An unknown name costs the same work as a known one.
 */
export class PasswordChecker {
  readonly #key = randomBytes(32)
  readonly #source: UserSource
  #accounts: Accounts
  readonly #running = new Map<string, Promise<boolean>>()
  #last: Promise<unknown> = Promise.resolve()
  #scrypts = 0

  constructor(source: UserSource) {
    this.#source = source
    this.#accounts = this.#open(source.users())
  }

  /** Number of computed hashes, for tests of the cache. */
  get scrypts(): number {
    return this.#scrypts
  }

  /**
   * Returns the user, or undefined if the name or the password is wrong, even after refreshing the users. Throws
   * overloaded if too many checks wait.
   */
  async check(name: string, password: string): Promise<User | undefined> {
    const accounts = this.#current()
    const user = await this.#checkAgainst(accounts, name, password)
    if (user !== undefined || this.#source.refresh === undefined) return user
    await this.#source.refresh()
    const refreshed = this.#current()
    return refreshed === accounts ? undefined : this.#checkAgainst(refreshed, name, password)
  }

  /** The accounts of the current users. */
  #current(): Accounts {
    const users = this.#source.users()
    if (users !== this.#accounts.users) this.#accounts = this.#open(users, this.#accounts)
    return this.#accounts
  }

  async #checkAgainst({ list, decoy, costliest }: Accounts, name: string, password: string): Promise<User | undefined> {
    const nameDigest = this.#digest(name)
    let account = decoy
    for (const candidate of list) if (timingSafeEqual(candidate.name, nameDigest)) account = candidate
    const passwordDigest = this.#digest(password)
    const isProven = timingSafeEqual(account.proven ?? nameDigest, passwordDigest) && account.proven !== undefined
    const isRight = isProven || (await this.#isRight(account, costliest, password, passwordDigest))
    if (!isRight || account === decoy) return undefined
    account.proven = passwordDigest
    return account.user
  }

  async #isRight(
    account: Account,
    costliest: PasswordHash | undefined,
    password: string,
    digest: Buffer,
  ): Promise<boolean> {
    const hash = account.hash ?? costliest
    const isHashRight = hash === undefined || (await this.#checkOnce(hash, password, digest))
    return account.password === undefined ? isHashRight : timingSafeEqual(account.password, digest)
  }

  /** Concurrent checks of the same password share one computation. */
  #checkOnce(hash: PasswordHash, password: string, digest: Buffer): Promise<boolean> {
    const key = `${hash.salt} ${digest.toString('base64')}`
    const running = this.#running.get(key)
    if (running !== undefined) return running
    if (this.#running.size > WAITING_MAX) {
      const text = `${WAITING_MAX} password checks are waiting; retry later, or use tokens, which are cheaper to check`
      throw new GatewayError('overloaded', text)
    }
    const check = this.#last.then(() => this.#matches(hash, password)).finally(() => this.#running.delete(key))
    this.#last = check.catch(() => {}) // the caller handles the failure; the next check runs anyway
    this.#running.set(key, check)
    return check
  }

  #matches({ n, r, p, salt, hash }: PasswordHash, password: string): Promise<boolean> {
    this.#scrypts++
    const options = { N: n, r, p, maxmem: 2 * scryptMemory({ n, r, p }) }
    return new Promise((resolve, reject) => {
      scrypt(password, Buffer.from(salt, 'base64'), HASH_BYTES, options, (error, computed) => {
        if (error === null) resolve(timingSafeEqual(computed, Buffer.from(hash, 'base64')))
        else reject(error)
      })
    })
  }

  /** Unchanged accounts keep their proven digest. */
  #open(users: readonly User[], before?: Accounts): Accounts {
    const list = users.map((user) => this.#openAccount(user))
    for (const account of list) {
      const same = before?.list.find(({ user }) => isSameLogin(user, account.user))
      account.proven = same?.proven
    }
    const hashes = list.map(({ hash }) => hash).filter((hash) => hash !== undefined)
    const costliest = hashes.sort((a, b) => b.n * b.r * b.p - a.n * a.r * a.p)[0]
    const nobody = { name: '', password: randomBytes(32).toString('hex'), tenant: undefined }
    return { users, list, decoy: { ...this.#openAccount(nobody), hash: costliest }, costliest }
  }

  #openAccount(user: User): Account {
    const hash = isHashed(user.password) ? parsePasswordHash(user.password) : undefined
    const password = hash === undefined ? this.#digest(user.password) : undefined
    return { user, name: this.#digest(user.name), password, hash, proven: undefined }
  }

  /** The digest of the UTF-8 bytes of the text. */
  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text, 'utf8').digest()
  }
}

function isSameLogin(a: User, b: User): boolean {
  return a.name === b.name && a.password === b.password
}
