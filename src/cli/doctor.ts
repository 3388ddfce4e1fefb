/** `millrace doctor`: checks the way to a gateway step by step, and says at which it ends. */

import { parseArgs } from 'node:util'
import { ask, CLIENT_OPTIONS, CLIENT_USAGE, readAddress, refusalOf } from './client.ts'
import { NO_SOURCE, readClientSettings } from './client-settings.ts'
import { type Command, EXIT_FAILED } from './commands.ts'
import { withoutControls } from './controls.ts'

export function doctorCommand(): Command {
  return {
    name: 'doctor',
    summary: 'Checks address, credentials and a query of a gateway.',
    usage: `millrace doctor [options]

${CLIENT_USAGE}

  Says where address and credentials come from, and whether the gateway can be reached, is ready, is a Millrace or
  another Loki, and accepts them. It writes nothing. \`millrace repair --check\` checks a data folder.`,
    run: async (args, terminal) => {
      const { values } = parseArgs({ args: [...args], options: CLIENT_OPTIONS })
      const { origins } = readClientSettings(values, terminal.client ?? NO_SOURCE)
      const gateway = readAddress(values, terminal.client)
      let isWell = true
      const say = (isGood: boolean, what: string): void => {
        isWell &&= isGood
        terminal.out(`${isGood ? 'ok    ' : 'FAULT '} ${withoutControls(what)}\n`)
      }
      const hasCredentials = origins.credentials !== 'none'
      say(true, `address ${gateway.url}, from ${origins.url}`)
      say(true, hasCredentials ? `credentials from ${origins.credentials}` : 'no credentials')
      if (origins.tenant !== 'none') say(true, `tenant ${gateway.headers['x-scope-orgid']}, from ${origins.tenant}`)
      const ready = await ask(gateway, '/ready')
      say(
        ready.status === 200,
        ready.status === 200 ? 'it is ready' : `it is not ready: ${refusalOf(gateway, ready).message}`,
      )
      const build = await ask(gateway, '/loki/api/v1/status/buildinfo')
      // Loki has no such path.
      const name = (await ask(gateway, '/healthz')).text.startsWith('{"status":') ? 'Millrace' : 'Loki'
      if (build.status === 200) say(true, `it is a ${name} of version ${versionOf(build.text)}`)
      const labels = await ask(gateway, '/loki/api/v1/labels')
      say(labels.status === 200, labels.status === 200 ? 'it answers queries' : refusalOf(gateway, labels).message)
      return isWell ? 0 : EXIT_FAILED
    },
  }
}

function versionOf(text: string): string {
  try {
    const { version } = JSON.parse(text)
    return typeof version === 'string' ? version : 'unknown'
  } catch {
    return 'unknown'
  }
}
