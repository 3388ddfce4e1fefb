/** The services of a cost run, in a process of their own: what they do must not count as the gateway's work. */

import { LocalCloud } from '../../test/doubles/local-cloud.ts'

const cloud = await LocalCloud.start()
process.send?.(cloud.environment())
process.on('disconnect', () => void cloud.stop().then(() => process.exit(0)))
