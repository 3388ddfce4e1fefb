/** The services of a cost run, in a separate process, so that their work does not count as the gateway's. */

import { LocalCloud } from '../../test/doubles/local-cloud.ts'

const cloud = await LocalCloud.start()
process.send?.(cloud.environment())
process.on('disconnect', () => void cloud.stop().then(() => process.exit(0)))
