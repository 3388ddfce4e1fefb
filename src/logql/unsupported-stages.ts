/** Stands in for pipeline/stages.ts until it is there: pipelines beyond line filters are refused. */

import { GatewayError } from '../domain/errors.ts'
import type { CompileStages } from './stage.ts'

export const compileStages: CompileStages = (stages) => {
  throw new GatewayError('query_unsupported', `the stage ${stages[0]?.kind} is not supported yet; leave it out`)
}
