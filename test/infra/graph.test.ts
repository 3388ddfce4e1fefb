/** The deployment of each stage as it ships, and with what whoever deploys may choose; made offline, in a moment. */

import t from 'tap'
import { stageSettings } from '../../infra/stages.ts'
import { checkGraph } from './graph-checks.ts'
import { offlineGraph } from './offline-graph.ts'
import { ENVIRONMENT } from './resource-graph.ts'

const CERTIFICATE = 'arn:aws:acm:us-east-1:123456789012:certificate/1'

const DEPLOYMENTS: readonly (readonly [stage: string, what: string, variables: Readonly<Record<string, string>>])[] = [
  ['dev', 'as it ships', {}],
  ['production', 'as it ships', {}],
  ['dev', 'with a customer key', { CUSTOMER_KEY: 'true' }],
  ['dev', 'behind an HTTP API', { DOOR: 'http-api', FIRST_USER: 'ada@example.com' }],
  ['production', 'without a customer key', { CUSTOMER_KEY: 'false' }],
  ['production', 'behind a function URL', { DOOR: 'function-url' }],
  [
    'dev',
    'with rows of incidents, anomalies and mails of the error alarm',
    { INCIDENT_TABLE: 'LogIncidents', ANOMALIES: 'true', ERROR_ALARM_EMAIL: 'errors@example.com' },
  ],
  ['production', 'with rows of incidents', { INCIDENT_TABLE: 'LogIncidents' }],
  ['production', 'with a domain', { DOMAIN: 'logs.example.com', DOMAIN_CERTIFICATE: CERTIFICATE }],
  ['production', 'with few instances', { GATEWAY_INSTANCES: '20' }],
  ['production', 'which deletes what is a month old', { ARCHIVE_DAYS: '30' }],
  ['dev', 'which keeps all', { ARCHIVE_DAYS: 'off' }],
  ['staging', 'a stage of somebody’s own', {}],
]

for (const [stage, what, variables] of DEPLOYMENTS) {
  t.test(`${stage}, ${what}`, async (t) => {
    const settings = stageSettings(stage, { ...ENVIRONMENT, ...variables })
    checkGraph(t, stage, settings, await offlineGraph(stage, variables))
  })
}

t.test('each door is shipped by a stage', async (t) => {
  t.equal(stageSettings('dev', {}).door, 'function-url')
  t.equal(stageSettings('production', {}).door, 'http-api')
})

t.test('what whoever deploys asks for and cannot be is said before anything is created', async (t) => {
  const refused: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [{ DOOR: 'alb' }, /DOOR is alb; it may be function-url or http-api/],
    [{ CUSTOMER_KEY: 'yes' }, /CUSTOMER_KEY is yes; it may be true or false/],
    [{ GATEWAY_INSTANCES: 'few' }, /GATEWAY_INSTANCES is few; it may be a whole number above 0/],
    [{ ARCHIVE_DAYS: '0' }, /ARCHIVE_DAYS is 0; it may be a number of days, or off/],
    [{ DOOR: 'http-api', DOMAIN: 'logs.example.com' }, /DOMAIN needs DOMAIN_CERTIFICATE/],
    [{ ANOMALIES: 'yes' }, /ANOMALIES is yes; it may be true or false/],
    [{ DOMAIN: 'logs.example.com', DOMAIN_CERTIFICATE: CERTIFICATE }, /DOMAIN needs DOOR=http-api/],
  ]
  for (const [env, message] of refused) t.throws(() => stageSettings('dev', env), message)
})
