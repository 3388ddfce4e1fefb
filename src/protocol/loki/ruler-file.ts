/**
 * Parses a file of alert rules in the format of Loki's ruler, which is Prometheus' format.
 *
 * See "Alerting rules" in Loki's documentation and rulefmt in prometheus/prometheus for the fields.
 */

import { parseDuration } from '../../domain/duration.ts'
import { GatewayError } from '../../domain/errors.ts'
import { isLabelName, type Label, type Labels, sortLabels } from '../../domain/labels.ts'
import type { AlertRule, RuleGroup } from '../../domain/rules/alert-rule.ts'
import { show, type YamlNode, YamlReader } from '../bytes/yaml-reader.ts'

/** Validation of a rule's texts; each function returns the fault, or undefined. */
export interface RuleChecks {
  expr(text: string, intervalMs: number): string | undefined
  template(text: string): string | undefined
}

export interface RulerFileOptions {
  readonly tenant: string
  /** The name of the file, which Loki calls namespace. */
  readonly namespace: string
  /** The interval of groups that do not set one. */
  readonly intervalMs: number
  readonly checks: RuleChecks
}

/** Limits of one file: rules that one machine can evaluate, and whose states can be stored. */
export const RULER_FILE_BYTES_MAX = 1024 * 1024
const GROUPS_MAX = 500
const RULES_MAX = 2000
const RULES_OF_GROUP_MAX = 100
/** The name of a group is part of a key, in which a character may take nine bytes. */
const NAME_CHARS_MAX = 100
/** Maximum characters of labels and annotations of one rule, before templates are executed. */
const TEXTS_CHARS_MAX = 16_384
const INTERVAL_MS_MIN = 1000
const NO_MS = { ms: 0 }

const GROUP_FIELDS = ['name', 'interval', 'limit', 'query_offset', 'labels', 'rules']
const RULE_FIELDS = ['alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations', 'record']

/** Parses the groups, in order. Throws one config_invalid with all faults, each with line and column. */
export function parseRulerFile(text: string, options: RulerFileOptions): readonly RuleGroup[] {
  if (text.length > RULER_FILE_BYTES_MAX) {
    const problem = `the file has more than ${RULER_FILE_BYTES_MAX} characters; split it into several`
    throw new GatewayError('config_invalid', problem)
  }
  const reader = new RulerReader(new YamlReader(text), options)
  const groups = reader.read()
  if (reader.faults.length === 0) return groups
  const faults = reader.faults.map((fault) => `  ${fault}`).join('\n')
  throw new GatewayError('config_invalid', `the rules are invalid:\n${faults}`)
}

class RulerReader {
  readonly #yaml: YamlReader
  readonly #options: RulerFileOptions
  readonly #names = new Set<string>()
  #rules = 0

  constructor(yaml: YamlReader, options: RulerFileOptions) {
    this.#yaml = yaml
    this.#options = options
  }

  get faults(): readonly string[] {
    return this.#yaml.faults
  }

  read(): readonly RuleGroup[] {
    const { root } = this.#yaml
    // An empty file has no rules; an invalid one has reported its fault.
    if (root === undefined || root === null) return []
    // Loki's own tool writes the namespace into the file; here it is the name of the file.
    const file = this.#yaml.map(root, 'the file', ['groups', 'namespace'])
    if (file === undefined) return []
    if (!file.has('groups')) this.#yaml.fault(root, 'the file: `groups` is missing')
    const nodes = file.has('groups') ? this.#yaml.list(file.get('groups'), 'groups') : []
    if (nodes.length > GROUPS_MAX) {
      this.#yaml.fault(nodes[GROUPS_MAX], `more than ${GROUPS_MAX} groups; split the file`)
      return []
    }
    return nodes.flatMap((node) => this.#readGroup(node))
  }

  #readGroup(node: YamlNode): readonly RuleGroup[] {
    const fields = this.#yaml.map(node, 'a group', GROUP_FIELDS)
    if (fields === undefined) return []
    const name = this.#readName(fields.get('name'), node, 'a group: `name`')
    if (name !== undefined && this.#names.has(name)) {
      this.#yaml.fault(fields.get('name'), `group ${show(name)} comes twice; give each its own name`)
    }
    if (name !== undefined) this.#names.add(name)
    const where = `group ${show(name ?? '')}`
    const { tenant, namespace } = this.#options
    const own = this.#readDuration(fields, 'interval', where)
    const intervalMs = own === undefined || own.ms === 0 ? this.#options.intervalMs : own.ms
    if (intervalMs < INTERVAL_MS_MIN) {
      this.#yaml.fault(fields.get('interval'), `${where}: interval: expected 1s or more`)
    }
    const shared = this.#readTexts(fields, 'labels', where)
    return [
      {
        tenant,
        namespace,
        name: name ?? '',
        intervalMs,
        queryOffsetMs: (this.#readDuration(fields, 'query_offset', where) ?? NO_MS).ms,
        limit: this.#readLimit(fields, where),
        rules: this.#readRules(fields, node, where, intervalMs).map((rule) => withShared(rule, shared)),
      },
    ]
  }

  #readRules(
    fields: ReadonlyMap<string, YamlNode>,
    group: YamlNode,
    where: string,
    intervalMs: number,
  ): readonly AlertRule[] {
    if (!fields.has('rules')) {
      this.#yaml.fault(group, `${where}: \`rules\` is missing`)
      return []
    }
    const nodes = this.#yaml.list(fields.get('rules'), `${where}: rules`)
    this.#rules += nodes.length
    if (nodes.length > RULES_OF_GROUP_MAX || this.#rules > RULES_MAX) {
      const limits = `${RULES_OF_GROUP_MAX} rules of a group, ${RULES_MAX} of a file`
      this.#yaml.fault(fields.get('rules'), `${where}: more than ${limits}; split it`)
      return []
    }
    return nodes.flatMap((node) => this.#readRule(node, where, intervalMs))
  }

  #readRule(node: YamlNode, group: string, intervalMs: number): readonly AlertRule[] {
    const fields = this.#yaml.map(node, `${group}: a rule`, RULE_FIELDS)
    if (fields === undefined) return []
    if (fields.has('record')) {
      const text = 'recording rules (`record`) are not evaluated: there is no store for what they record; remove it'
      this.#yaml.fault(fields.get('record') ?? node, `${group}: ${text}`)
      return []
    }
    const name = this.#readName(fields.get('alert'), node, `${group}: a rule: \`alert\``) ?? ''
    const where = `rule ${show(name)}`
    const expr = fields.has('expr') ? this.#yaml.text(fields.get('expr'), `${where}: expr`) : undefined
    if (!fields.has('expr')) this.#yaml.fault(node, `${where}: \`expr\` is missing`)
    const problem = expr === undefined ? undefined : this.#options.checks.expr(expr, intervalMs)
    if (problem !== undefined) this.#yaml.fault(fields.get('expr'), `${where}: expr: ${problem}`)
    return [
      {
        name,
        expr: (expr ?? '').trim(),
        forMs: (this.#readDuration(fields, 'for', where) ?? NO_MS).ms,
        keepFiringForMs: (this.#readDuration(fields, 'keep_firing_for', where) ?? NO_MS).ms,
        labels: this.#readTexts(fields, 'labels', where),
        annotations: this.#readTexts(fields, 'annotations', where),
      },
    ]
  }

  #readName(node: YamlNode, parent: YamlNode, where: string): string | undefined {
    if (node === undefined) {
      this.#yaml.fault(parent, `${where} is missing`)
      return undefined
    }
    const name = this.#yaml.text(node, where)
    if (name === undefined || (name !== '' && name.length <= NAME_CHARS_MAX)) return name
    this.#yaml.fault(node, `${where}: expected 1 to ${NAME_CHARS_MAX} characters; got ${name.length}`)
    return undefined
  }

  #readDuration(fields: ReadonlyMap<string, YamlNode>, field: string, where: string): { ms: number } | undefined {
    if (!fields.has(field)) return undefined
    const text = this.#yaml.text(fields.get(field), `${where}: ${field}`)
    if (text === undefined) return undefined
    const ms = parseDuration(text)
    if (ms !== undefined && Number.isSafeInteger(ms)) return { ms }
    this.#yaml.fault(fields.get(field), `${where}: ${field}: expected a duration like 5m or 1h30m; got ${show(text)}`)
    return undefined
  }

  #readLimit(fields: ReadonlyMap<string, YamlNode>, where: string): number {
    if (!fields.has('limit')) return 0
    const text = this.#yaml.text(fields.get('limit'), `${where}: limit`) ?? '0'
    if (/^\d{1,9}$/.test(text)) return Number(text)
    this.#yaml.fault(fields.get('limit'), `${where}: limit: expected a whole number from 0 on; got ${show(text)}`)
    return 0
  }

  /** Labels or annotations: a map of names to templates. */
  #readTexts(fields: ReadonlyMap<string, YamlNode>, field: 'labels' | 'annotations', where: string): Labels {
    if (!fields.has(field)) return []
    const path = `${where}: ${field}`
    const texts: Label[] = []
    let chars = 0
    for (const [name, node, place] of this.#yaml.pairs(fields.get(field), path) ?? []) {
      const value = this.#yaml.text(node, `${path}: ${show(name)}`)
      if (value === undefined) continue
      if (!isLabelName(name) || (field === 'labels' && ['__name__', 'alertname'].includes(name))) {
        this.#yaml.fault(place, `${path}: ${show(name)} cannot be a name here; expected letters, digits and _`)
      }
      const problem = this.#options.checks.template(value)
      if (problem !== undefined) this.#yaml.fault(node, `${path}: ${show(name)}: ${problem}`)
      chars += name.length + value.length
      texts.push({ name, value })
    }
    if (chars > TEXTS_CHARS_MAX) {
      this.#yaml.fault(fields.get(field), `${path}: expected at most ${TEXTS_CHARS_MAX} characters; got ${chars}`)
    }
    return sortLabels(texts)
  }
}

/** Labels of the group apply to each of its rules that does not override them. */
function withShared(rule: AlertRule, shared: Labels): AlertRule {
  const own = new Set(rule.labels.map(({ name }) => name))
  return { ...rule, labels: sortLabels([...rule.labels, ...shared.filter(({ name }) => !own.has(name))]) }
}
