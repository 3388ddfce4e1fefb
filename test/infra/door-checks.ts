/** The only entrance from outside: which of the two doors a stage has, who may pass, and at what rate. */

import type { Test } from 'tap'
import type { StageSettings } from '../../infra/stages.ts'
import type { Lookup } from './resource-graph.ts'

export function checkDoor(t: Test, settings: StageSettings, found: Lookup): void {
  const gateway = () => found.one('aws:lambda/function:Function', 'Gateway').inputs

  t.test('tokens come from the user pool, which has no sign-up', async (t) => {
    const pool = found.one('aws:cognito/userPool:UserPool').inputs
    t.equal(pool.adminCreateUserConfig.allowAdminCreateUserOnly, true)
    const client = found.one('aws:cognito/userPoolClient:UserPoolClient').inputs
    t.equal(client.preventUserExistenceErrors, 'ENABLED')
    t.equal(client.generateSecret, false, 'so that the command line needs no hash of it')
    t.ok(client.explicitAuthFlows.includes('ALLOW_USER_PASSWORD_AUTH'), 'docs/deploy.md signs in so')
    const user = found.one('aws:cognito/user:User').inputs
    const secret = JSON.parse(found.one('aws:secretsmanager/secretVersion:SecretVersion').inputs.secretString)
    t.equal(user.username, settings.firstUser)
    t.same(secret, { username: user.username, password: user.temporaryPassword })
    const policy = pool.passwordPolicy
    const password = found.one('random:index/randomPassword:RandomPassword', 'FirstUserPassword').inputs
    t.ok(password.length >= policy.minimumLength)
    t.match(password, { minLower: 1, minUpper: 1, minNumeric: 1, minSpecial: 1 }, 'as the pool wants passwords')
    t.notMatch(password.overrideSpecial, /[,='"$`\\! ]/, 'pasted as it is')
  })

  t.test('concurrency is limited to that of the stage', async (t) => {
    t.equal(gateway().reservedConcurrentExecutions, settings.gatewayInstances)
  })

  t.test('images are scanned on push', async (t) => {
    t.equal(found.one('aws:ecr/repository:Repository').inputs.imageScanningConfiguration.scanOnPush, true)
  })

  if (settings.door === 'function-url') {
    t.test('a function URL is the only door, and the application authenticates', async (t) => {
      const open = found.ofType('aws:lambda/permission:Permission').filter(({ inputs }) => inputs.principal === '*')
      t.same(open.map(({ name }) => name).sort(), ['GatewayInvokeByUrl', 'GatewayUrlPublic'])
      for (const { inputs } of open) t.equal(inputs.function, gateway().name)
      t.match(found.one('aws:lambda/functionUrl:FunctionUrl').inputs, {
        authorizationType: 'NONE',
        functionName: gateway().name,
      })
      t.same(found.ofType('aws:apigatewayv2/api:Api'), [])
    })
    return
  }

  t.test('the HTTP API is the only door, throttled, with an access log', async (t) => {
    t.same(found.ofType('aws:lambda/functionUrl:FunctionUrl'), [])
    const open = found.ofType('aws:lambda/permission:Permission').filter(({ inputs }) => inputs.principal === '*')
    t.same(open, [], 'nothing past the API')
    const api = found.one('aws:apigatewayv2/api:Api').inputs
    t.same(api.corsConfiguration ?? {}, {}, 'no other site')
    t.equal(api.disableExecuteApiEndpoint, settings.domain !== undefined)
    const stage = found.one('aws:apigatewayv2/stage:Stage').inputs
    t.match(stage.defaultRouteSettings, {
      throttlingRateLimit: settings.throttle.rate,
      throttlingBurstLimit: settings.throttle.burst,
    })
    t.match(stage.accessLogSettings.destinationArn, /DoorAccessLog/)
    for (const { inputs } of found.ofType('aws:apigatewayv2/integration:Integration')) {
      t.match(inputs, { integrationType: 'AWS_PROXY', payloadFormatVersion: '2.0' })
      t.match(inputs.integrationUri, /Gateway/)
    }
    t.ok(gateway().timeout < 30, 'an integration ends after 30 seconds, and the gateway has its own words')
  })

  t.test("/logs is behind the pool's authorizer; agents with a password use the other routes", async (t) => {
    const authorizer = found.one('aws:apigatewayv2/authorizer:Authorizer')
    t.match(authorizer.inputs, { authorizerType: 'JWT', identitySources: ['$request.header.Authorization'] })
    const variables = gateway().environment.variables
    t.equal(authorizer.inputs.jwtConfiguration.issuer, variables.MILLRACE_JWT_ISSUER, "the gateway's own issuer")
    t.same(authorizer.inputs.jwtConfiguration.audiences, [variables.MILLRACE_JWT_CLIENT_IDS])
    const routes = found
      .ofType('aws:apigatewayv2/route:Route')
      .map(({ inputs: { routeKey, authorizationType = 'NONE', authorizerId } }) =>
        [routeKey, authorizationType, authorizerId === undefined ? 'open' : 'authorized'].join(' '),
      )
    t.same(routes.sort(), ['$default NONE open', 'GET /logs JWT authorized', 'POST /logs JWT authorized'])
  })

  const { domain } = settings
  if (domain === undefined) return
  t.test('a domain has its certificate, and links lead to it', async (t) => {
    t.match(found.one('aws:apigatewayv2/domainName:DomainName').inputs, {
      domainName: domain.name,
      domainNameConfiguration: { certificateArn: domain.certificateArn, endpointType: 'REGIONAL' },
    })
    t.equal(found.ofType('aws:apigatewayv2/apiMapping:ApiMapping').length, 1)
    const alerts = found.one('aws:lambda/function:Function', 'LogAlertProcessor').inputs.environment.variables
    t.equal(alerts.MILLRACE_PUBLIC_URL, `https://${domain.name}`)
  })
}
