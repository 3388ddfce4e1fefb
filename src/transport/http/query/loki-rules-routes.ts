/** Read-only rules and alerts in the format of Loki's ruler; rules are written as files. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { type ListedGroup, listRules } from '../../../flows/rules/list-rules.ts'
import type { RuleSource, StateStore } from '../../../ports/rules.ts'
import { QueryParams } from '../../../protocol/loki/loki-params.ts'
import type { RuleFilter } from '../../../protocol/loki/loki-rules-result.ts'
import type { Auth } from '../auth/auth.ts'

export interface LokiRulesParts {
  readonly auth: Auth
  /** Undefined without rules: all lists are empty then. */
  readonly rules: { readonly source: RuleSource; readonly states: StateStore } | undefined
}

const YAML = 'application/yaml; charset=utf-8'
const JSON_TYPE = 'application/json'
/** Loki's current path and its first one. */
const CONFIG_URLS = ['/loki/api/v1/rules', '/api/prom/rules'] as const
const STATES = ['inactive', 'pending', 'firing']

/** Loaded on first use, because it needs the YAML library. */
const loadFormats = () => import('../../../protocol/loki/loki-rules-result.ts')

type Formats = Awaited<ReturnType<typeof loadFormats>>
type Answer = (formats: Formats, groups: readonly ListedGroup[], request: FastifyRequest) => string

export function registerLokiRules(app: FastifyInstance, parts: LokiRulesParts): void {
  const get = (url: string, summary: string, type: string, answer: Answer): void =>
    register(app, parts, 'GET', url, summary, async (request, reply) => {
      const { rules, auth } = parts
      const groups = rules === undefined ? [] : await listRules(rules, auth.tenantOf(request))
      return reply.type(type).send(answer(await loadFormats(), groups, request))
    })
  for (const url of CONFIG_URLS) {
    get(url, 'Configured alert rules', YAML, namespacesOf)
    get(`${url}/:namespace`, 'Alert rules of one file', YAML, namespaceOf)
    get(`${url}/:namespace/:group`, 'One group of alert rules', YAML, groupOf)
    for (const path of [`${url}/:namespace`, `${url}/:namespace/:group`]) {
      for (const method of ['POST', 'DELETE'] as const) register(app, parts, method, path, 'Not supported', refuseWrite)
    }
  }
  get('/prometheus/api/v1/rules', 'Alert rules and their state', JSON_TYPE, ({ formatRules }, groups, request) =>
    formatRules(groups, filterOf(request)),
  )
  get('/prometheus/api/v1/alerts', 'Pending and firing alerts', JSON_TYPE, ({ formatAlerts }, groups) =>
    formatAlerts(groups),
  )
}

function register(
  app: FastifyInstance,
  { auth }: LokiRulesParts,
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  summary: string,
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>,
): void {
  app.route({
    method,
    url,
    onRequest: auth.authenticate,
    config: { errorFormat: 'text', challenge: 'basic' },
    schema: { tags: ['rules'], summary, response: { 200: { description: summary, type: 'string' } } },
    validatorCompiler: () => () => true,
    handler,
  })
}

function namespacesOf({ formatNamespaces }: Formats, groups: readonly ListedGroup[]): string {
  return groups.length === 0 ? '{}\n' : formatNamespaces(groups.map(({ group }) => group))
}

/** The texts of both errors are Loki's, as its tool matches them. */
function namespaceOf(formats: Formats, groups: readonly ListedGroup[], request: FastifyRequest): string {
  const { namespace } = paramsOf(request)
  const own = groups.filter(({ group }) => group.namespace === namespace)
  if (own.length === 0) throw new GatewayError('not_found', 'no rule groups found')
  return namespacesOf(formats, own)
}

function groupOf({ formatGroup }: Formats, groups: readonly ListedGroup[], request: FastifyRequest): string {
  const { namespace, group: name } = paramsOf(request)
  const listed = groups.find(({ group }) => group.namespace === namespace && group.name === name)
  if (listed === undefined) throw new GatewayError('not_found', 'group does not exist')
  return formatGroup(listed.group)
}

async function refuseWrite(): Promise<never> {
  const text = 'rules cannot be written through this API; edit the files in MILLRACE_RULES'
  throw new GatewayError('not_found', text)
}

/** Loki's parameters: `rule_name[]`, `rule_group[]`, `file[]`, `state` or `state[]`, all repeatable, and `type`. */
function filterOf({ url }: FastifyRequest): RuleFilter {
  const params = new QueryParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '')
  const all = (name: string) => params.getAll(name, `${name}[]`)
  const type = params.get('type') ?? ''
  if (!['', 'alert', 'record'].includes(type)) {
    throw new GatewayError('parameter_invalid', 'type: not supported value; expected alert or record')
  }
  const states = all('state')
  if (!states.every((state) => STATES.includes(state))) {
    throw new GatewayError('parameter_invalid', `state: not supported value; expected ${STATES.join(', ')}`)
  }
  const excludeAlerts = params.get('exclude_alerts') === 'true'
  return { files: all('file'), groups: all('rule_group'), rules: all('rule_name'), states, type, excludeAlerts }
}

function paramsOf({ params }: FastifyRequest): { readonly namespace?: string; readonly group?: string } {
  // The router has decoded the path parameters.
  return params as { readonly namespace?: string; readonly group?: string }
}
