/** GET /sources: polled sources and their lag. */

import type { FastifyInstance } from 'fastify'
import type { ProjectOutcome } from '../../flows/poll/poll-outcome.ts'
import type { SourcePoller, SourceReport } from '../../flows/poll/poll-sources.ts'
import type { Auth } from './auth/auth.ts'

export interface SourcesParts {
  readonly auth: Auth
  /** Undefined if nothing is polled: the list is empty then. */
  readonly poller: Pick<SourcePoller, 'describe'> | undefined
}

export function registerSources(app: FastifyInstance, { auth, poller }: SourcesParts): void {
  app.get(
    '/sources',
    {
      onRequest: auth.authenticate,
      config: { knownParametersOnly: true },
      schema: {
        tags: ['service'],
        summary: 'Polled sources and their lag',
        response: {
          200: {
            description: '{"sources":[{"source":"cognigy","project":"…","lagSeconds":12,"hoursUntilLoss":23.9,…}]}',
            type: 'string',
          },
        },
      },
    },
    async (_request, reply) => {
      const reports = (await poller?.describe()) ?? []
      return reply
        .type('application/json; charset=UTF-8')
        .send(`${JSON.stringify({ sources: reports.map(showReport) })}\n`)
    },
  )
}

/** Times are ISO 8601; null if unknown. */
function showReport({
  source,
  project,
  lastTsMs,
  checkedMs,
  lagSeconds,
  hoursUntilLoss,
  latest,
}: SourceReport): object {
  return {
    source,
    project: project.name,
    projectId: project.id,
    lastEntry: showTime(lastTsMs),
    readUntil: showTime(checkedMs),
    lagSeconds: lagSeconds ?? null,
    hoursUntilLoss: hoursUntilLoss === undefined ? null : Math.round(hoursUntilLoss * 100) / 100,
    lastRun: latest === undefined ? null : showRun(latest),
  }
}

function showRun(run: ProjectOutcome): object {
  const { state, startedMs, finishedMs, stored, late, found, oversized, rejected, unreadable, requests, lost, error } =
    run
  return {
    state,
    started: showTime(startedMs),
    finished: showTime(finishedMs),
    stored,
    late,
    found,
    oversized,
    rejected,
    unreadable,
    requests,
    lost: lost === undefined ? null : { from: showTime(lost.fromMs), to: showTime(lost.toMs) },
    error: error === undefined ? null : { code: error.code, message: error.message },
  }
}

function showTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
