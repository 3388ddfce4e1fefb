/** Deliberate faults in the sources: each must make the simulation fail. */

import type { Mutation } from './machine.ts'

export interface Mutant {
  readonly name: string
  readonly mutations: readonly Mutation[]
}

const STORE = 'src/adapters/embedded'

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'commits are not synced',
    mutations: [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: text of the source
      { file: `${STORE}/sqlite-file.ts`, was: 'PRAGMA synchronous = ${synchronous};', is: 'PRAGMA synchronous = OFF;' },
    ],
  },
  {
    name: 'what a restart finds is not synced',
    mutations: [
      { file: `${STORE}/sqlite-file.ts`, was: "if (synchronous === 'FULL') syncRecovered(db, path)", is: '' },
    ],
  },
  {
    name: 'no look for duplicates',
    mutations: [{ file: `${STORE}/block-writer.ts`, was: '    this.#dropStored(tenant, order)\n', is: '' }],
  },
  {
    name: 'a restart does not load the blocks in which duplicates are looked for',
    mutations: [{ file: `${STORE}/block-writer.ts`, was: '    this.#loadRecent()\n', is: '' }],
  },
  {
    name: 'a join retires its parts in a transaction before it writes the joined block',
    mutations: [
      {
        file: `${STORE}/maintenance.ts`,
        was: '    this.#writer.transaction(() => {\n      for (const [i, block] of buildBlocks(',
        is: `    this.#writer.transaction(() => {
      for (const { id } of parts) this.#retire.run(id, this.#clock.nowMs(), id)
    })
    this.#writer.transaction(() => {
      for (const [i, block] of buildBlocks(`,
      },
    ],
  },
  {
    name: 'a join writes the joined block in a transaction before it retires its parts',
    mutations: [
      {
        file: `${STORE}/maintenance.ts`,
        was: '      const replacement = rows[0]?.row.id as number\n',
        is: `    })
    this.#writer.transaction(() => {
      const replacement = rows[0]?.row.id as number
`,
      },
    ],
  },
  {
    name: 'a join does not retire its parts',
    mutations: [
      {
        file: `${STORE}/maintenance.ts`,
        was: 'for (const { id } of parts) this.#retire.run(replacement, this.#clock.nowMs(), id)',
        is: '',
      },
    ],
  },
  {
    name: 'blocks are joined across others',
    mutations: [
      {
        file: `${STORE}/maintenance.ts`,
        was: 'if (isCrossed) cuts.push([part])',
        is: 'if (isCrossed && !part) cuts.push([part])',
      },
    ],
  },
  {
    name: 'retention goes by the oldest line of a block',
    mutations: [
      {
        file: `${STORE}/maintenance.ts`,
        was: "(row['newest'] as bigint) < cutoffNs",
        is: "(row['oldest'] as bigint) < cutoffNs",
      },
    ],
  },
  {
    name: 'ids of programs are not kept',
    mutations: [
      {
        file: `${STORE}/block-writer.ts`,
        was: '} else this.#insertId.run(tenant, id, batch.timestamps.values[entry] as bigint, nowMs)',
        is: '}',
      },
    ],
  },
  {
    name: 'queries show what is to be deleted',
    mutations: [
      {
        file: 'src/flows/delete/delete-logs.ts',
        was: 'return hiding.length === 0 ? store.read(request, signal)',
        is: 'return hiding.length >= 0 ? store.read(request, signal)',
      },
    ],
  },
  {
    name: 'a commit that failed leaves its streams in memory',
    mutations: [{ file: `${STORE}/block-writer.ts`, was: 'for (const undo of outcome.undo) undo()', is: '' }],
  },
]
