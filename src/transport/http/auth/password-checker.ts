/** Names and passwords against the configured users, in a time that tells nothing about either. */

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

/** Checks of hashed passwords that may wait for the one that runs: each holds a core and tens of megabytes. */
const WAITING_MAX = 32

interface Account {
  readonly user: User
  readonly name: Buffer
  /** Of a plain password; undefined where the password is hashed. */
  readonly password: Buffer | undefined
  readonly hash: PasswordHash | undefined
  /** The digest of the password that a hash was found to belong to: a push must not cost a scrypt. */
  proven: Buffer | undefined
}

interface Accounts {
  /** What they were made of. */
  readonly users: readonly User[]
  readonly list: readonly Account[]
  /** What an unknown name is checked against. */
  readonly decoy: Account
  /** Set where any user is hashed: then every check that is not yet proven costs one scrypt. */
  readonly costliest: PasswordHash | undefined
}

/**
 * Compares digests under a key of this process, so that lengths, characters of several bytes and the place of the
 * first difference do not show. A name that nobody has costs the same work as one that somebody has.
 */
export class PasswordChecker {
  readonly #key = randomBytes(32)
  readonly #source: UserSource
  #known: Accounts
  readonly #running = new Map<string, Promise<boolean>>()
  #last: Promise<unknown> = Promise.resolve()
  #scrypts = 0

  constructor(source: UserSource) {
    this.#source = source
    this.#known = this.#open(source.users())
  }

  /** How many hashes were computed: what a cache hit spares. */
  get scrypts(): number {
    return this.#scrypts
  }

  /**
   * The user, or undefined when the name or the password is wrong, also after a look at whether it is right by now.
   * Throws overloaded when too many checks wait.
   */
  async check(name: string, password: string): Promise<User | undefined> {
    const accounts = this.#accounts()
    const user = await this.#checkAgainst(accounts, name, password)
    if (user !== undefined || this.#source.refresh === undefined) return user
    await this.#source.refresh()
    const refreshed = this.#accounts()
    return refreshed === accounts ? undefined : this.#checkAgainst(refreshed, name, password)
  }

  /** Those of the users of now. */
  #accounts(): Accounts {
    const users = this.#source.users()
    if (users !== this.#known.users) this.#known = this.#open(users, this.#known)
    return this.#known
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

  /** A burst of pushes with one password waits for one computation. */
  #checkOnce(hash: PasswordHash, password: string, digest: Buffer): Promise<boolean> {
    const key = `${hash.salt} ${digest.toString('base64')}`
    const running = this.#running.get(key)
    if (running !== undefined) return running
    if (this.#running.size > WAITING_MAX) {
      const text = `${WAITING_MAX} passwords wait to be checked; retry later, or use tokens, whose check costs less`
      throw new GatewayError('overloaded', text)
    }
    const check = this.#last.then(() => this.#matches(hash, password)).finally(() => this.#running.delete(key))
    this.#last = check.catch(() => {}) // whoever waits for it is told; the next check runs all the same
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

  /** What was proven of an account that stays as it was holds on. */
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

  /** Of the text's UTF-8 bytes. */
  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text, 'utf8').digest()
  }
}

function isSameLogin(a: User, b: User): boolean {
  return a.name === b.name && a.password === b.password
}
