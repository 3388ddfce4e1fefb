/** The gateway as a server: `npm start`, `millrace serve`, the container's command. */

import { welcome } from '../cli/welcome.ts'
import { runProcess } from '../processes/process.ts'
import { serve } from '../processes/serve.ts'
import { VERSION } from '../processes/version.ts'

await runProcess(
  {
    service: 'millrace',
    stopMs: 20_000,
    stopping: 'stopping after finishing accepted requests',
    start: (settings, log) =>
      serve(settings, log, (address, place) => process.stdout.write(welcome(address, place, VERSION))),
  },
  process.env,
)
