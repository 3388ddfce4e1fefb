/** Users: a Cognito pool for people and programs with tokens, generated credentials for agents. */

import type { StageSettings } from './stages.ts'
import type { Storage } from './storage.ts'

export type Identity = ReturnType<typeof createIdentity>

/** The name of the agents' user for clients. */
const AGENT = 'agent'
const PASSWORD_LENGTH = 40
const FIRST_PASSWORD_LENGTH = 20

export function createIdentity({ firstUser }: StageSettings, { key }: Storage) {
  const pool = new sst.aws.CognitoUserPool('Users', {
    usernames: ['email'],
    transform: {
      userPool: {
        // Users are invited; nobody can sign up.
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
  const firstUserSecret = createFirstUser()
  return {
    pool,
    client,
    firstUserSecret,
    issuer,
    jwksUrl: $interpolate`${issuer}/.well-known/jwks.json`,
    users,
    keySecret: createSecret('KeySecret', 'key-secret', keySecret.result, key),
  }

  /** A user who can sign in immediately, with a password that Cognito requires to be changed. */
  function createFirstUser(): aws.secretsmanager.Secret {
    const generated = new random.RandomPassword('FirstUserPassword', {
      length: FIRST_PASSWORD_LENGTH,
      minLower: 1,
      minUpper: 1,
      minNumeric: 1,
      minSpecial: 1,
      // No characters with a meaning for a shell or in the command line's NAME=value,NAME=value.
      overrideSpecial: '-_.',
    })
    new aws.cognito.User('FirstUser', {
      userPoolId: pool.id,
      username: firstUser,
      attributes: { email: firstUser, email_verified: 'true' },
      temporaryPassword: generated.result,
      messageAction: 'SUPPRESS',
    })
    const secret = new aws.secretsmanager.Secret('FirstUserSecret', {
      name: `millrace/${$app.stage}/first-user`,
      // A stage that is deployed again needs this name.
      recoveryWindowInDays: $app.stage === 'production' ? 7 : 0,
      ...(key !== undefined && { kmsKeyId: key.arn }),
    })
    new aws.secretsmanager.SecretVersion('FirstUserSecretValue', {
      secretId: secret.id,
      secretString: $jsonStringify({ username: firstUser, password: generated.result }),
    })
    return secret
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
