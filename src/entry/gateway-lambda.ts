/** The gateway as a Lambda function, behind API Gateway, a Function URL or a load balancer. */

import { startFunction } from '../processes/function.ts'
import { openGatewayFunction } from '../processes/gateway-function.ts'
import type { LambdaHandler } from '../transport/lambda/http-handler.ts'

const { log, ...settings } = await startFunction('millrace', process.env)

/** Called by Lambda for each request. Invalid settings fail the start of the function. */
export const handler: LambdaHandler = await openGatewayFunction(settings, log)
