/** GET /incidents, GET /incidents/{id}, POST /incidents/{id}/ack and /close. */

import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import {
  INCIDENT_STATES,
  type Incident,
  type IncidentRef,
  type IncidentState,
} from '../../domain/incidents/incident.ts'
import { parseLabels } from '../../domain/labels.ts'
import { NS_PER_MS } from '../../domain/time.ts'
import type { IncidentDesk } from '../../flows/incidents/raise-incidents.ts'
import type { IncidentStore } from '../../ports/incidents.ts'
import { formatIncident } from '../../protocol/incidents/incident-json.ts'
import type { LinkSettings } from '../../protocol/incidents/incident-links.ts'
import { openIncidentToken, sealIncidentToken } from '../../protocol/incidents/incident-token.ts'
import { parseTime } from '../../protocol/loki/loki-params.ts'
import type { Auth } from './auth/auth.ts'
import { wantsPage } from './page/wants-page.ts'

export interface IncidentParts {
  readonly store: Pick<IncidentStore, 'find' | 'list'>
  readonly desk: Pick<IncidentDesk, 'acknowledge' | 'close'>
  readonly auth: Auth
  /** Signs page tokens: 32 bytes. */
  readonly tokenKey: Uint8Array
  readonly links: LinkSettings
}

const PAGE_MAX = 100
const LABELS_CHARS_MAX = 8_192

const Shown = Type.Object(
  {
    id: Type.String({ description: '32 hexadecimal digits' }),
    tenant: Type.String(),
    kind: Type.Union([Type.Literal('line'), Type.Literal('rule'), Type.Literal('anomaly')]),
    state: Type.Union(INCIDENT_STATES.map((state) => Type.Literal(state))),
    severity: Type.String(),
    title: Type.String(),
    labels: Type.Record(Type.String(), Type.String()),
    count: Type.Integer({ description: 'How often it was seen' }),
    firstSeen: Type.String({ description: 'ISO 8601' }),
    lastSeen: Type.String(),
    links: Type.Object({
      incident: Type.String(),
      query: Type.Optional(Type.String({ description: 'Finds the lines' })),
      explore: Type.Optional(Type.String({ description: "The same in Grafana's Explore" })),
    }),
    history: Type.Array(Type.Object({ at: Type.String(), what: Type.String(), by: Type.Optional(Type.String()) }), {
      description: 'Changes of its state, oldest first',
    }),
    samples: Type.Array(Type.Object({ eventId: Type.String(), timestamp: Type.String(), line: Type.String() })),
  },
  { additionalProperties: true },
)
const IncidentsQuery = Type.Object({
  state: Type.Optional(Type.String({ description: `Some of ${INCIDENT_STATES.join(', ')}, between commas` })),
  since: Type.Optional(Type.String({ description: 'Seen since then: RFC 3339, seconds or nanoseconds' })),
  firstSince: Type.Optional(Type.String({ description: 'First seen since then' })),
  labels: Type.Optional(Type.String({ description: 'Labels that it has, {service_name="shop"}' })),
  limit: Type.Integer({ minimum: 1, maximum: PAGE_MAX, default: PAGE_MAX }),
  samples: Type.Optional(Type.String({ description: '`no` leaves the sample lines out' })),
  nextToken: Type.Optional(Type.String({ description: 'Leads to the next page of the same question' })),
})
const IncidentParams = Type.Object({ id: Type.String() })
const IncidentsPage = Type.Object({
  items: Type.Array(Shown),
  hasMore: Type.Boolean(),
  nextToken: Type.Optional(Type.String()),
})
/** For the OpenAPI document; responses are written by formatters that keep labels of any name. */
const documented = <T extends object>(schema: T): { content: Record<string, { schema: T }>; description: string } => ({
  description: 'See the schema',
  content: { 'application/json': { schema } },
})

export function registerIncidents(app: FastifyInstance, parts: IncidentParts): void {
  const { auth, store, desk, links } = parts
  const options = {
    onRequest: auth.authenticate,
    config: { errorFormat: 'json' as const, challenge: 'bearer' as const, knownParametersOnly: true },
  }
  app.get<{ Querystring: Static<typeof IncidentsQuery> }>(
    '/incidents',
    {
      ...options,
      schema: {
        tags: ['incidents'],
        summary: 'Incidents, the last seen first',
        querystring: IncidentsQuery,
        response: { 200: documented(IncidentsPage) },
      },
    },
    async (request, reply) => sendJson(reply, await readPage(parts, auth.tenantOf(request), request.query)),
  )
  app.get<{ Params: Static<typeof IncidentParams> }>(
    '/incidents/:id',
    {
      ...options,
      onRequest: async (request, reply) => {
        reply.header('vary', 'Accept')
        if (wantsPage(request)) return leadToPage(request, reply)
        await auth.authenticate(request, reply)
      },
      schema: {
        tags: ['incidents'],
        summary: 'One incident',
        params: IncidentParams,
        response: { 200: documented(Shown) },
      },
    },
    async (request, reply) => {
      const incident = await store.find(refOf(auth, request))
      if (incident === undefined) throw notFound()
      return sendJson(reply, formatIncident(incident, links))
    },
  )
  const action = (
    name: 'ack' | 'close',
    summary: string,
    change: (ref: IncidentRef, by: string) => Promise<Incident>,
  ): void => {
    app.post<{ Params: Static<typeof IncidentParams> }>(
      `/incidents/:id/${name}`,
      {
        ...options,
        schema: { tags: ['incidents'], summary, params: IncidentParams, response: { 200: documented(Shown) } },
      },
      async (request, reply) => {
        const incident = await change(refOf(auth, request), request.principal?.name ?? '')
        return sendJson(reply, formatIncident(incident, links))
      },
    )
  }
  action('ack', 'Acknowledge: somebody has seen it', (ref, by) => desk.acknowledge(ref, by))
  action('close', 'Close: it is over, until it is seen again', (ref, by) => desk.close(ref, by))
}

/**
 * Links in notifications are opened in browsers: they lead to the page, which asks for credentials itself. Relative, so
 * that a prefix of a proxy stays.
 */
function leadToPage(
  request: FastifyRequest<{ Params: Static<typeof IncidentParams> }>,
  reply: FastifyReply,
): FastifyReply {
  return reply.redirect(`../#/incidents/${encodeURIComponent(request.params.id)}`, 303)
}

async function readPage(
  { store, tokenKey, links }: IncidentParts,
  tenant: string,
  { state, since, firstSince, labels, limit, samples, nextToken }: Static<typeof IncidentsQuery>,
): Promise<string> {
  const filters = { tenant, state, since, labels, firstSince }
  const { incidents, next } = await store.list({
    tenant,
    states: state === undefined ? undefined : parseStates(state),
    sinceMs: readMs('since', since),
    firstSinceMs: readMs('firstSince', firstSince),
    labels: labels === undefined ? [] : parseWanted(labels),
    limit,
    after: nextToken === undefined ? undefined : openIncidentToken(tokenKey, nextToken, filters),
  })
  const hasSamples = readSamples(samples)
  const shown = hasSamples ? incidents : incidents.map((incident) => ({ ...incident, samples: [] }))
  const items = shown.map((incident) => formatIncident(incident, links)).join(',')
  const token = next === undefined ? '' : `,"nextToken":"${sealIncidentToken(tokenKey, next, filters)}"`
  return `{"items":[${items}],"hasMore":${next !== undefined}${token}}`
}

const readMs = (name: string, text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(parseTime(name, text) / NS_PER_MS)

function readSamples(text = 'yes'): boolean {
  if (text === 'yes' || text === 'no') return text === 'yes'
  throw new GatewayError('parameter_invalid', 'samples is neither yes nor no; use one of them')
}

function parseStates(text: string): readonly IncidentState[] {
  const words = text.split(',').map((word) => word.trim())
  const states = INCIDENT_STATES.filter((state) => words.includes(state))
  if (words.every((word) => INCIDENT_STATES.some((state) => state === word))) return states
  throw new GatewayError('parameter_invalid', `state must be one or more of ${INCIDENT_STATES.join(', ')}`)
}

function parseWanted(text: string): ReturnType<typeof parseLabels> {
  try {
    if (text.length <= LABELS_CHARS_MAX) return parseLabels(text)
  } catch {
    // The error shows this parameter.
  }
  throw new GatewayError('parameter_invalid', 'labels are invalid; expected {name="value", …} with equality only')
}

function refOf(auth: Auth, request: FastifyRequest<{ Params: Static<typeof IncidentParams> }>): IncidentRef {
  const tenant = auth.tenantOf(request)
  const { id } = request.params
  if (!/^[0-9a-f]{32}$/.test(id)) throw notFound()
  return { tenant, id }
}

function notFound(): GatewayError {
  return new GatewayError('not_found', 'no incident of this tenant has this id; list them at GET /incidents')
}

function sendJson(reply: FastifyReply, body: string): FastifyReply {
  return reply.type('application/json').send(body)
}
