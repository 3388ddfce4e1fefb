/**
 * Replacements for modules that packages load at every start although the gateway does not use them. A replacement that
 * matches nothing has become ineffective: `unmatched` lists it, and the build fails. See
 * docs/decisions/bundle-replacements.md.
 */

import { readFileSync } from 'node:fs'
import type { Plugin, PluginBuild } from 'esbuild'

/** Replaces a module that is imported by name. */
interface NameReplacement {
  readonly name: string
  readonly filter: RegExp
  readonly contents: string
}

/** Replaces a file of a package: `name` is the package and the path in it. */
interface FileReplacement {
  readonly name: string
  readonly contents: string
}

export interface Replacements {
  readonly byName: readonly NameReplacement[]
  readonly byFile: readonly FileReplacement[]
  /** Files that create functions from source text: equal ones are compiled once. */
  readonly compiled: readonly string[]
}

const BY_NAME: readonly NameReplacement[] = [
  // Nothing here uses HTTP/2, which takes Node milliseconds to load.
  { name: 'node:http2', filter: /^node:http2$/, contents: 'module.exports = {}' },
  // Fastify's default compilers: schemas.ts replaces them.
  { name: '@fastify/ajv-compiler', filter: /^@fastify\/ajv-compiler$/, contents: 'module.exports = undefined' },
  {
    name: '@fastify/fast-json-stringify-compiler',
    filter: /^@fastify\/fast-json-stringify-compiler$/,
    contents: 'module.exports = undefined',
  },
  // Fastify checks the versions of its plugins, which the tests have done.
  { name: 'semver', filter: /^semver$/, contents: 'module.exports = { satisfies: () => true }' },
  // Fastify's trustProxy is off, so proxy headers are not read.
  { name: '@fastify/proxy-addr', filter: /^@fastify\/proxy-addr$/, contents: 'module.exports = undefined' },
  // The router checks whether the regular expressions of routes are safe, which the tests have done.
  { name: 'safe-regex2', filter: /^safe-regex2$/, contents: 'module.exports = () => true' },
]

const NOTHING = 'module.exports = undefined'

const BY_FILE: readonly FileReplacement[] = [
  // The gateway has its own metrics, and neither pushes nor collects the default ones.
  { name: 'prom-client/lib/defaultMetrics.js', contents: NOTHING },
  { name: 'prom-client/lib/pushgateway.js', contents: NOTHING },
  { name: 'prom-client/lib/cluster.js', contents: NOTHING },
  // The log is written by the same thread.
  { name: 'pino/lib/transport.js', contents: NOTHING },
]

/** The router creates about 200 functions from source text, most of them equal: each is compiled once. */
const COMPILED = ['find-my-way/lib/node.js', 'find-my-way/lib/handler-storage.js']
const COMPILE_CALL = 'new Function('
const COMPILE_ONCE = `const made = new Map()
function compile(...texts) {
  const key = JSON.stringify(texts)
  if (!made.has(key)) made.set(key, new Function(...texts))
  return made.get(key)
}
`

const USED: Replacements = { byName: BY_NAME, byFile: BY_FILE, compiled: COMPILED }

/** An esbuild plugin, for any number of bundles, and the names of the replacements that matched nothing. */
export function bundleReplacements({ byName, byFile, compiled }: Replacements = USED): {
  readonly plugin: Plugin
  unmatched(): readonly string[]
} {
  const http = 'node:http imported as a whole'
  const unmatched = new Set([...byName, ...byFile].map(({ name }) => name).concat(compiled, http))
  const setup = ({ onLoad, onResolve }: PluginBuild): void => {
    for (const { name, filter, contents } of byName) {
      onResolve({ filter }, ({ path, kind }) => {
        if (kind === 'dynamic-import') return undefined
        unmatched.delete(name)
        return { path, namespace: 'replaced', pluginData: contents }
      })
    }
    onLoad({ filter: /.*/, namespace: 'replaced' }, ({ pluginData }) => ({ contents: pluginData }))
    for (const { name, contents } of byFile) {
      onLoad({ filter: filterOf(name) }, () => {
        unmatched.delete(name)
        return { contents }
      })
    }
    // Node reads every export of an imported module at once: node:http has some that load its fetch and WebSocket,
    // about 10 ms. It reads none of a required module.
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) => {
      if (kind === 'require-call') return undefined
      unmatched.delete(http)
      return { path: 'http', namespace: 'required' }
    })
    onLoad({ filter: /.*/, namespace: 'required' }, () => ({ contents: "module.exports = require('node:http')" }))
    for (const name of compiled) {
      onLoad({ filter: filterOf(name) }, ({ path }) => {
        const source = readFileSync(path, 'utf8')
        if (source.includes(COMPILE_CALL)) unmatched.delete(name)
        return { contents: COMPILE_ONCE + source.replaceAll(COMPILE_CALL, 'compile(') }
      })
    }
  }
  return { plugin: { name: 'bundle-replacements', setup }, unmatched: () => [...unmatched] }
}

/** Matches the file of a package by its path, on every platform. */
function filterOf(name: string): RegExp {
  const text = name.replaceAll('.', '\\.').replaceAll('/', '[\\\\/]')
  return new RegExp(`[\\\\/]node_modules[\\\\/]${text}$`)
}
