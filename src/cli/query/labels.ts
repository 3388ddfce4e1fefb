/** `millrace labels`: label names, or the values of a label. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../../domain/errors.ts'
import { askJson, CLIENT_OPTIONS, CLIENT_USAGE, readAddress } from '../client.ts'
import { readNames } from '../client-answer.ts'
import type { Command } from '../commands.ts'
import { withoutControls } from '../controls.ts'
import { readTimes, TIME_OPTIONS, TIME_USAGE } from './query-time.ts'

export function labelsCommand(nowMs: () => number): Command {
  return {
    name: 'labels',
    summary: 'Lists label names, or the values of a label.',
    usage: `millrace labels [NAME] [options]

  --match SELECTOR    only labels of these streams, like '{app="shop"}'
${TIME_USAGE}
${CLIENT_USAGE}`,
    run: async (args, terminal) => {
      const { values, positionals } = parseArgs({
        args: [...args],
        allowPositionals: true,
        options: { ...TIME_OPTIONS, ...CLIENT_OPTIONS, match: { type: 'string' } },
      })
      const [name, second] = positionals
      if (second !== undefined) throw new GatewayError('parameter_invalid', 'got several names; give one or none')
      const path = name === undefined ? 'labels' : `label/${encodeURIComponent(name)}/values`
      const asked = { ...readTimes(values, nowMs()), query: values.match }
      const names = readNames(await askJson(readAddress(values, terminal.client), `/loki/api/v1/${path}`, asked))
      for (const each of names) terminal.out(`${withoutControls(each)}\n`)
      if (names.length === 0) terminal.note('Nothing in this time range; try --since 7d\n')
      return 0
    },
  }
}
