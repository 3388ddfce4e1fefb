/** Makes a case that shows a difference small: fewer entries, a shorter query, plainer parameters. */

import type { DataStream } from './data-set.ts'
import type { Question } from './question.ts'
import { smallerQueries, smallerTexts } from './shrink-query.ts'

export interface Case {
  readonly question: Question
  readonly streams: readonly DataStream[]
}

/** How many cases may be tried for one that is shrunk. */
const TRIES_MAX = 300
/** How many are tried at a time. */
const BATCH = 8

/** `isStill` asks both peers and says whether the difference is still of the same kind. */
export async function shrinkCase(found: Case, isStill: (smaller: Case) => Promise<boolean>): Promise<Case> {
  const steps = [shorterQueries, fewerEntries, plainerParams]
  let best = found
  let tries = 0
  const improve = async (candidates: (from: Case) => Case[]): Promise<boolean> => {
    let isBetter = false
    for (let list = candidates(best); list.length > 0 && tries < TRIES_MAX; ) {
      const batch = list.splice(0, BATCH)
      tries += batch.length
      const next = batch[(await Promise.all(batch.map(isStill))).indexOf(true)]
      if (next === undefined) continue
      best = next
      isBetter = true
      list = candidates(best)
    }
    return isBetter
  }
  for (let isBetter = true; isBetter && tries < TRIES_MAX; ) {
    isBetter = false
    for (const step of steps) isBetter = (await improve(step)) || isBetter
  }
  if (best.question.query === found.question.query) await improve(shorterTexts)
  return best
}

function shorterQueries({ question, streams }: Case): Case[] {
  return smallerQueries(question.query).map((query) => ({ streams, question: { ...question, query } }))
}

function shorterTexts({ question, streams }: Case): Case[] {
  return smallerTexts(question.query).map((query) => ({ streams, question: { ...question, query } }))
}

/** Half of the streams, one stream less, one entry less, an entry without metadata. */
function fewerEntries({ question, streams }: Case): Case[] {
  const lists: DataStream[][] = []
  if (streams.length > 2) {
    const half = streams.length >> 1
    lists.push(streams.slice(0, half), streams.slice(half))
  }
  if (streams.length > 1) for (const [i] of streams.entries()) lists.push(streams.filter((_, j) => j !== i))
  for (const [i, stream] of streams.entries()) {
    const { entries } = stream
    if (entries.length > 2) {
      const half = entries.length >> 1
      for (const part of [entries.slice(0, half), entries.slice(half)])
        lists.push(streams.with(i, { ...stream, entries: part }))
    }
    if (entries.length > 1) {
      for (const [j] of entries.entries())
        lists.push(streams.with(i, { ...stream, entries: entries.filter((_, k) => k !== j) }))
    }
    for (const name of Object.keys(stream.labels)) {
      if (name === 'app') continue
      const { [name]: _, ...labels } = stream.labels
      lists.push(streams.with(i, { ...stream, labels }))
    }
    if (entries.length === 1) {
      const [entry] = entries
      for (const name of Object.keys(entry?.metadata ?? {})) {
        const { [name]: _, ...metadata } = entry?.metadata ?? {}
        if (entry !== undefined) lists.push(streams.with(i, { ...stream, entries: [{ ...entry, metadata }] }))
      }
    }
  }
  return lists.map((list) => ({ question, streams: list }))
}

function plainerParams({ question, streams }: Case): Case[] {
  const { interval: _, ...rest } = question.params
  const changed: Question[] = []
  if (question.params['interval'] !== undefined) changed.push({ ...question, params: rest })
  if (question.isCategorized) changed.push({ ...question, isCategorized: false })
  if (question.params['limit'] !== undefined && question.params['limit'] !== '1000') {
    changed.push({ ...question, params: { ...question.params, limit: '1000' } })
  }
  return changed.map((each) => ({ streams, question: each }))
}
