/** Who may come: a Cognito pool for people and programs with tokens, generated credentials for agents. */

import type { Storage } from './storage.ts'

export type Identity = ReturnType<typeof createIdentity>

/** The agents' user, as clients of the endpoint know it. */
const AGENT = 'agent'
const PASSWORD_LENGTH = 40

export function createIdentity({ key }: Storage) {
  const pool = new sst.aws.CognitoUserPool('Users', {
    usernames: ['email'],
    transform: {
      userPool: {
        // Whoever may read logs is invited; nobody signs up.
        adminCreateUserConfig: { allowAdminCreateUserOnly: true },
        passwordPolicy: {
          minimumLength: 12,
          requireLowercase: true,
          requireNumbers: true,
          requireSymbols: true,
          requireUppercase: true,
          temporaryPasswordValidityDays: 7,
        },
        deletionProtection: $app.stage === 'production' ? 'ACTIVE' : 'INACTIVE',
      },
    },
  })
  const client = pool.addClient('Gateway', {
    transform: {
      client: {
        generateSecret: false,
        explicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_USER_SRP_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
        allowedOauthFlowsUserPoolClient: false,
        allowedOauthFlows: [],
        allowedOauthScopes: [],
        accessTokenValidity: 1,
        idTokenValidity: 1,
        preventUserExistenceErrors: 'ENABLED',
      },
    },
  })
  const region = aws.getRegionOutput({}).region
  const issuer = $interpolate`https://cognito-idp.${region}.amazonaws.com/${pool.id}`
  const password = new random.RandomPassword('AgentPassword', { length: PASSWORD_LENGTH, special: false })
  const keySecret = new random.RandomPassword('KeySecret', { length: 64, special: false })
  const users = createSecret('Users', 'users', $interpolate`${AGENT}:${password.result}`, key)
  return {
    pool,
    client,
    issuer,
    jwksUrl: $interpolate`${issuer}/.well-known/jwks.json`,
    users,
    keySecret: createSecret('KeySecret', 'key-secret', keySecret.result, key),
  }

  function createSecret(name: string, path: string, value: $util.Input<string>, dataKey: aws.kms.Key | undefined) {
    return new aws.ssm.Parameter(`${name}Parameter`, {
      name: `/millrace/${$app.stage}/${path}`,
      type: 'SecureString',
      value,
      ...(dataKey !== undefined && { keyId: dataKey.arn }),
    })
  }
}
