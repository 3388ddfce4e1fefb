/** The gateway as a server: `npm start`, `millrace serve`, the container's command. */

import { type Welcome, welcome } from '../cli/welcome.ts'
import type { Config } from '../config/read-config.ts'
import { runProcess } from '../processes/process.ts'
import { serve } from '../processes/serve.ts'
import { VERSION } from '../processes/version.ts'

await runProcess(
  {
    service: 'millrace',
    stopMs: 20_000,
    stopping: 'stopping after finishing accepted requests',
    start: (settings, log) =>
      serve(settings, log, (address, place) => {
        process.stdout.write(welcome({ address, place, version: VERSION, ...accessOf(settings.config) }))
      }),
  },
  process.env,
)

/** What the requests of a newcomer need. */
function accessOf({ auth, incidents }: Config): Pick<Welcome, 'access' | 'needsTenant' | 'publicUrl'> {
  const [user] = auth.users
  const tokens = auth.localIssuer ? 'local token' : auth.jwksUrl === undefined ? undefined : 'token'
  return {
    access: user === undefined ? tokens : { user: user.name },
    needsTenant: auth.defaultTenant === '' && user?.tenant === undefined,
    publicUrl: incidents.links.publicUrl,
  }
}
