/**
 * A model of a disk with a page cache, driven by a journal: the state after a killed process, and after a power
 * failure. The contents of a file are on disk once the file is synced, a name once its folder is; POSIX guarantees no
 * more.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../support/random.ts'
import { DiskFile, type FileCut } from './disk-file.ts'
import type { Operation } from './journal.ts'

export const CUT_MODES = ['none', 'all', 'prefix', 'subset', 'torn'] as const
export type CutMode = (typeof CUT_MODES)[number]

type Entry = DiskFile | Folder
type Names = Map<string, Entry>

interface NameChange {
  readonly at: number
  readonly name: string
  /** Undefined: the name is removed. */
  readonly entry: Entry | undefined
}

class Folder {
  names: Names = new Map()
  durable: Names = new Map()
  changes: NameChange[] = []

  set(at: number, name: string, entry: Entry | undefined): void {
    change(this.names, name, entry)
    this.changes.push({ at, name, entry })
  }

  sync(): void {
    this.durable = new Map(this.names)
    this.changes = []
  }
}

export class Disk {
  #root = new Folder()
  #byInode = new Map<number, DiskFile>()
  #operations = 0
  /** Decides which pages a failed fsync loses. */
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** A disk with the contents of the folder, all of it durable. */
  static of(folder: string, random: Random): Disk {
    const disk = new Disk(random)
    disk.#root = load(folder)
    return disk
  }

  /** Number of operations so far, at which `prefix` cuts. */
  get operations(): number {
    return this.#operations
  }

  apply(operations: Iterable<Operation>): void {
    for (const operation of operations) this.#apply(operation)
  }

  clone(): Disk {
    const copies = new Map<Entry, Entry>()
    const disk = new Disk(this.#random)
    disk.#root = copyEntry(this.#root, copies) as Folder
    disk.#byInode = new Map([...this.#byInode].map(([inode, file]) => [inode, copyEntry(file, copies) as DiskFile]))
    disk.#operations = this.#operations
    return disk
  }

  /** The disk after a power failure, with nothing pending. `random` chooses which pending data was written. */
  cut(mode: CutMode, random: Random): Disk {
    const until = random.integer(this.#operations + 1)
    const cut: FileCut = { mode, until, random }
    const disk = new Disk(random)
    disk.#root = cutFolder(this.#root, cut, new Map())
    return disk
  }

  /** Writes what a process would see now to a new folder: a kill, as seen by the next process. */
  writeTo(folder: string): void {
    write(this.#root, folder)
  }

  /** The paths and contents of all files as a process would see them. */
  files(): Map<string, Buffer> {
    return new Map(listFiles(this.#root, ''))
  }

  #apply(operation: Operation): void {
    const at = ++this.#operations
    const { kind, error, inode, path, other, offset, bytes } = operation
    if (error !== 0) {
      if (kind === 'sync') this.#file(operation).failSync(this.#random)
      return
    }
    switch (kind) {
      case 'open':
        if (operation.isCreated) this.#set(at, path, new DiskFile())
        this.#bind(inode, path)
        break
      case 'write':
        this.#file(operation).write(at, offset, bytes)
        break
      case 'truncate':
        this.#file(operation).truncate(at, offset)
        break
      case 'sync':
        this.#file(operation).sync()
        break
      case 'sync-folder':
        this.#folder(path).sync()
        break
      case 'rename': {
        const entry = this.#find(path)
        this.#set(at, path, undefined)
        this.#set(at, other, entry)
        break
      }
      case 'link':
        this.#set(at, other, this.#find(path))
        break
      case 'mkdir':
        this.#set(at, path, new Folder())
        break
      case 'unlink':
      case 'rmdir':
        this.#set(at, path, undefined)
        break
    }
  }

  #bind(inode: number, path: string): void {
    const entry = this.#find(path)
    if (entry instanceof DiskFile) this.#byInode.set(inode, entry)
  }

  #file({ inode, path }: Operation): DiskFile {
    const file = this.#byInode.get(inode)
    if (file === undefined) throw new Error(`the journal names a file that it did not open: ${path}`)
    return file
  }

  #set(at: number, path: string, entry: Entry | undefined): void {
    const slash = path.lastIndexOf('/')
    this.#folder(path.slice(0, Math.max(slash, 0))).set(at, path.slice(slash + 1), entry)
  }

  #folder(path: string): Folder {
    const entry = this.#find(path)
    if (entry instanceof Folder) return entry
    throw new Error(`the journal names a folder that is not there: '${path}'`)
  }

  #find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.#root
    for (const name of path.split('/').filter((part) => part !== '')) {
      entry = entry instanceof Folder ? entry.names.get(name) : undefined
    }
    return entry
  }
}

function change(names: Names, name: string, entry: Entry | undefined): void {
  if (entry === undefined) names.delete(name)
  else names.set(name, entry)
}

function load(path: string): Folder {
  const folder = new Folder()
  for (const item of readdirSync(path, { withFileTypes: true })) {
    const whole = join(path, item.name)
    if (isSharedMemory(item.name)) continue
    folder.names.set(item.name, item.isDirectory() ? load(whole) : new DiskFile(readFileSync(whole)))
  }
  folder.sync()
  return folder
}

/** SQLite creates it when the first process opens the database. */
function isSharedMemory(name: string): boolean {
  return name.endsWith('-shm')
}

function write(folder: Folder, path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  for (const [name, entry] of folder.names) {
    if (entry instanceof Folder) write(entry, join(path, name))
    else writeFileSync(join(path, name), entry.content, { mode: 0o600 })
  }
}

function* listFiles(folder: Folder, path: string): Generator<[string, Buffer]> {
  for (const [name, entry] of folder.names) {
    if (entry instanceof Folder) yield* listFiles(entry, `${path}${name}/`)
    else yield [path + name, entry.content]
  }
}

function copyEntry(entry: Entry, copies: Map<Entry, Entry>): Entry {
  const known = copies.get(entry)
  if (known !== undefined) return known
  const copy = entry instanceof DiskFile ? entry.clone() : new Folder()
  copies.set(entry, copy)
  if (entry instanceof Folder && copy instanceof Folder) {
    copy.names = mapNames(entry.names, (each) => copyEntry(each, copies))
    copy.durable = mapNames(entry.durable, (each) => copyEntry(each, copies))
    copy.changes = entry.changes.map((each) => ({ ...each, entry: each.entry && copyEntry(each.entry, copies) }))
  }
  return copy
}

function cutFolder(folder: Folder, cut: FileCut, done: Map<Entry, Entry>): Folder {
  const names = new Map(folder.durable)
  for (const { name, entry } of folder.changes.slice(0, changesKept(folder.changes, cut))) change(names, name, entry)
  const result = new Folder()
  done.set(folder, result)
  result.names = mapNames(names, (entry) => {
    const known = done.get(entry)
    if (known !== undefined) return known
    const left = entry instanceof Folder ? cutFolder(entry, cut, done) : new DiskFile(entry.cut(cut))
    done.set(entry, left)
    return left
  })
  result.sync()
  return result
}

function changesKept(changes: readonly NameChange[], cut: FileCut): number {
  if (cut.mode === 'none') return 0
  if (cut.mode === 'all') return changes.length
  return changes.filter(({ at }) => at <= cut.until).length
}

function mapNames(names: Names, map: (entry: Entry) => Entry): Names {
  return new Map([...names].map(([name, entry]) => [name, map(entry)]))
}
