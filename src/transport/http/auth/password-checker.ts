/** Names and passwords against the configured users, in a time that tells nothing about either. */

import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import type { User } from '../../../config/users.ts'
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

/**
 * Compares digests under a key of this process, so that lengths, characters of several bytes and the place of the
 * first difference do not show. A name that nobody has costs the same work as one that somebody has.
 */
export class PasswordChecker {
  readonly #key = randomBytes(32)
  readonly #accounts: readonly Account[]
  /** What an unknown name is checked against. */
  readonly #decoy: Account
  /** Set where any user is hashed: then every check that is not yet proven costs one scrypt. */
  readonly #costliest: PasswordHash | undefined
  readonly #running = new Map<string, Promise<boolean>>()
  #last: Promise<unknown> = Promise.resolve()
  #scrypts = 0

  constructor(users: readonly User[]) {
    this.#accounts = users.map((user) => this.#open(user))
    const hashes = this.#accounts.map(({ hash }) => hash).filter((hash) => hash !== undefined)
    this.#costliest = hashes.sort((a, b) => b.n * b.r * b.p - a.n * a.r * a.p)[0]
    const nobody = { name: '', password: randomBytes(32).toString('hex'), tenant: undefined }
    this.#decoy = { ...this.#open(nobody), hash: this.#costliest }
  }

  /** How many hashes were computed: what a cache hit spares. */
  get scrypts(): number {
    return this.#scrypts
  }

  /** The user, or undefined when the name or the password is wrong. Throws overloaded when too many checks wait. */
  async check(name: string, password: string): Promise<User | undefined> {
    const nameDigest = this.#digest(name)
    let account = this.#decoy
    for (const candidate of this.#accounts) if (timingSafeEqual(candidate.name, nameDigest)) account = candidate
    const passwordDigest = this.#digest(password)
    const isProven = timingSafeEqual(account.proven ?? nameDigest, passwordDigest) && account.proven !== undefined
    const isRight = isProven || (await this.#isRight(account, password, passwordDigest))
    if (!isRight || account === this.#decoy) return undefined
    account.proven = passwordDigest
    return account.user
  }

  async #isRight(account: Account, password: string, digest: Buffer): Promise<boolean> {
    const hash = account.hash ?? this.#costliest
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

  #open(user: User): Account {
    const hash = isHashed(user.password) ? parsePasswordHash(user.password) : undefined
    const password = hash === undefined ? this.#digest(user.password) : undefined
    return { user, name: this.#digest(user.name), password, hash, proven: undefined }
  }

  /** Of the text's UTF-8 bytes. */
  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text, 'utf8').digest()
  }
}
