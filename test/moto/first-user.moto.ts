import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import t from 'tap'
import { GatewayProcess } from '../support/gateway-process.ts'
import { testFolder } from '../support/test-folder.ts'
import { motoClient, uniqueName } from './moto-client.ts'

const USERNAME = 'first-user@example.com'
const PASSWORD = 'Generated-password_1.'
const TOOLS = ['bash', 'aws', 'jq', 'curl']
const missing = TOOLS.filter((tool) => spawnSync(tool, ['--version']).status !== 0)

t.test(
  'the first sign-in of docs/deploy.md works pasted whole',
  { skip: missing.length > 0 && `no ${missing}` },
  async (t) => {
    const url = process.env['MOTO_URL'] as string
    const cognito = new CognitoIdentityProvider(motoClient())
    const secrets = new SecretsManager(motoClient())
    t.teardown(() => {
      cognito.destroy()
      secrets.destroy()
    })
    const stage = uniqueName('s')
    // What the deployment declares.
    const { UserPool } = await cognito.createUserPool({ PoolName: stage, UsernameAttributes: ['email'] })
    const UserPoolId = UserPool?.Id as string
    const { UserPoolClient } = await cognito.createUserPoolClient({
      UserPoolId,
      ClientName: 'Gateway',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_USER_SRP_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    })
    const clientId = UserPoolClient?.ClientId as string
    const user = { Username: USERNAME, TemporaryPassword: PASSWORD, MessageAction: 'SUPPRESS' as const }
    await cognito.adminCreateUser({ UserPoolId, ...user })
    const SecretString = JSON.stringify({ username: USERNAME, password: PASSWORD })
    await secrets.createSecret({ Name: `millrace/${stage}/first-user`, SecretString })
    const gateway = await GatewayProcess.start({
      dataDir: testFolder(t),
      env: {
        MILLRACE_JWKS_URL: `${url}/${UserPoolId}/.well-known/jwks.json`,
        MILLRACE_JWT_ISSUER: `https://cognito-idp.us-east-1.amazonaws.com/${UserPoolId}`,
        MILLRACE_JWT_CLIENT_IDS: clientId,
      },
    })
    t.teardown(() => gateway.kill())
    const page = readFileSync('docs/deploy.md', 'utf8')
    const block = /<!-- first sign-in -->\n```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    const script = block
      .replace('STAGE=dev', `STAGE=${stage}`)
      .replace(/API_URL=\S+/, `API_URL=${gateway.url}`)
      .replace(/CLIENT_ID=\S+/, `CLIENT_ID=${clientId}`)
    const run = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, AWS_DEFAULT_REGION: 'us-east-1', AWS_PAGER: '' },
    })
    t.equal(run.status, 0, run.stderr)
    t.match(run.stdout, /"id":"[^"]+"/, 'the log is stored')
    t.match(run.stdout, '"message":"Test log entry"', 'and read')
  },
)
