/**
 * Mines patterns from log lines: similar lines become one pattern, with `<_>` where they differ.
 *
 * See P. He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree" (ICWS 2017). Here a line is split
 * into words and the text between them, so that JSON and logfmt lines have words too; only lines with the same text
 * between their words share a cluster.
 */

export interface DrainSettings {
  /** Maximum number of clusters; beyond it, the cluster with the fewest lines is dropped. */
  readonly clustersMax: number
  /** Maximum words and UTF-16 units of a line that are compared; the rest of a longer line is one placeholder. */
  readonly wordsMax: number
  readonly charsMax: number
  /**
   * The share of a cluster's words that a line must have in common with it, 0 to 1; words with digits are not counted.
   */
  readonly similarityMin: number
  /** Maximum children of a tree node; further words share one child. */
  readonly childrenMax: number
}

export const DRAIN_SETTINGS: DrainSettings = {
  clustersMax: 300,
  wordsMax: 128,
  charsMax: 1000,
  similarityMin: 0.5,
  childrenMax: 64,
}

export const PLACEHOLDER = '<_>'
/** Number of leading words that lead to a line's clusters: the depth of the tree below the shapes. */
const PREFIX_WORDS = 1
/** The child for variable words: those with digits, and those that arrived when a node was full. */
const ANY = ''

/** Maximum number of shapes; higher than clustersMax, so that there are always unused ones to drop. */
const SHAPES_MAX = 1024

/** A word or the text between two words; undefined: any text. */
type Token = string | undefined

/** Similar lines. `tokens` are words and the text between them; undefined where the lines differ. */
export interface Cluster {
  readonly tokens: Token[]
  /** Total number of lines. */
  size: number
  /** Number of lines by slot, a number chosen by the caller: the step of the line's time. */
  readonly counts: Map<number, number>
}

interface Node {
  readonly children: Map<string, Node>
  readonly clusters: LeafCluster[]
}

interface LeafCluster extends Cluster {
  readonly leaf: Node
}

/** A pattern miner for lines that are compared with each other, for example of one level. */
export class Drain {
  readonly #settings: DrainSettings
  readonly #root: Node = makeNode()
  readonly #clusters = new Set<LeafCluster>()

  constructor(settings: DrainSettings = DRAIN_SETTINGS) {
    this.#settings = settings
  }

  /** Adds the line to its cluster and counts it under `slot`. */
  add(line: string, slot: number): void {
    const tokens = splitLine(line, this.#settings)
    const leaf = this.#leafOf(tokens)
    const cluster = findNearest(leaf.clusters, tokens, this.#settings.similarityMin)
    if (cluster === undefined) this.#begin(leaf, tokens, slot)
    else {
      generalise(cluster.tokens, tokens)
      cluster.size++
      cluster.counts.set(slot, (cluster.counts.get(slot) ?? 0) + 1)
    }
  }

  get clusters(): Iterable<Cluster> {
    return this.#clusters
  }

  #begin(leaf: Node, tokens: readonly Token[], slot: number): void {
    if (this.#clusters.size >= this.#settings.clustersMax) this.#dropSmallest()
    const cluster = { tokens: [...tokens], size: 1, counts: new Map([[slot, 1]]), leaf }
    leaf.clusters.push(cluster)
    this.#clusters.add(cluster)
  }

  /** Of clusters with equally many lines the oldest is dropped. */
  #dropSmallest(): void {
    let smallest: LeafCluster | undefined
    for (const cluster of this.#clusters) if (smallest === undefined || cluster.size < smallest.size) smallest = cluster
    if (smallest === undefined) return
    this.#clusters.delete(smallest)
    const { clusters } = smallest.leaf
    clusters.splice(clusters.indexOf(smallest), 1)
  }

  /** The tree: first the text between the words, then the first words. */
  #leafOf(tokens: readonly Token[]): Node {
    let node = this.#child(this.#root, shapeOf(tokens))
    let words = 0
    for (const token of tokens) {
      if (token === undefined || !isWord(token)) continue
      node = this.#child(node, hasDigit(token) ? ANY : token)
      if (++words === PREFIX_WORDS) break
    }
    return node
  }

  #child(node: Node, key: string): Node {
    const known = node.children.get(key)
    if (known !== undefined) return known
    if (node === this.#root) {
      if (node.children.size >= SHAPES_MAX) this.#prune()
    } else if (node.children.size >= this.#settings.childrenMax && key !== ANY) return this.#child(node, ANY)
    const child = makeNode()
    node.children.set(key, child)
    return child
  }

  /** Drops shapes without clusters. */
  #prune(): void {
    for (const [shape, node] of this.#root.children) if (!hasClusters(node)) this.#root.children.delete(shape)
  }
}

/**
 * The cluster's pattern in the syntax of LogQL's `|>`, which matches every line of the cluster. It has no two adjacent
 * placeholders, and no literal text that would be parsed as a capture.
 */
export function formatPattern(tokens: readonly Token[]): string {
  let pattern = ''
  for (const token of tokens) {
    if (token !== undefined) pattern += token
    else if (!pattern.endsWith(PLACEHOLDER)) pattern += PLACEHOLDER
  }
  // Words and brackets of a line can look like a capture: such text becomes a placeholder too.
  const safe = pattern.replace(/(?:<[a-zA-Z_][a-zA-Z0-9_]*>)+/g, PLACEHOLDER)
  // Free text without fixed words: the number of its words says nothing.
  return safe.replace(/(?:<_> ){2,}<_>/g, PLACEHOLDER)
}

const WORD = /[\p{L}\p{N}_.\-+/@%#&~*$^!?\\]/u
const ASCII_WORD: readonly boolean[] = Array.from({ length: 128 }, (_, code) => WORD.test(String.fromCharCode(code)))

function isWordCode(code: number): boolean {
  // All characters beyond ASCII count as letters, so that a surrogate pair is not split.
  return code >= 128 || ASCII_WORD[code] === true
}

/** A token has either only word characters or none. */
function isWord(token: string): boolean {
  return isWordCode(token.charCodeAt(0))
}

/**
 * Words and the text between them, alternating; concatenated they are the line, except that a last undefined stands for
 * the rest.
 */
function splitLine(line: string, { wordsMax, charsMax }: DrainSettings): Token[] {
  const tokens: Token[] = []
  let words = 0
  for (let at = 0; at < line.length; ) {
    const kind = isWordCode(line.charCodeAt(at))
    let end = at + 1
    while (end < line.length && isWordCode(line.charCodeAt(end)) === kind) end++
    if (end > charsMax || (kind && ++words > wordsMax)) {
      tokens.push(undefined)
      break
    }
    tokens.push(line.slice(at, end))
    at = end
  }
  return tokens
}

/** The text between the words, with white space as one space; lines of equal shape have equally many tokens. */
function shapeOf(tokens: readonly Token[]): string {
  let shape = ''
  for (const token of tokens) shape += token === undefined || isWord(token) ? 'a' : token.replace(/\s+/g, ' ')
  return shape
}

function hasDigit(token: string): boolean {
  for (let i = 0; i < token.length; i++) {
    const code = token.charCodeAt(i)
    if (code >= 48 && code <= 57) return true
  }
  return false
}

/** The cluster that has the most in common with the line; of equal ones the first. */
function findNearest(
  clusters: readonly LeafCluster[],
  tokens: readonly Token[],
  similarityMin: number,
): LeafCluster | undefined {
  let nearest: LeafCluster | undefined
  let most = -1
  for (const cluster of clusters) {
    let equal = 0
    let compared = 0
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]
      if (token === undefined || !isWord(token) || (token !== cluster.tokens[i] && hasDigit(token))) continue
      compared++
      if (token === cluster.tokens[i]) equal++
    }
    const similarity = compared === 0 ? 1 : equal / compared
    if (similarity < similarityMin || similarity <= most) continue
    most = similarity
    nearest = cluster
  }
  return nearest
}

function generalise(pattern: Token[], tokens: readonly Token[]): void {
  for (let i = 0; i < tokens.length; i++) if (pattern[i] !== tokens[i]) pattern[i] = undefined
}

function makeNode(): Node {
  return { children: new Map(), clusters: [] }
}

function hasClusters(node: Node): boolean {
  if (node.clusters.length > 0) return true
  for (const child of node.children.values()) if (hasClusters(child)) return true
  return false
}
