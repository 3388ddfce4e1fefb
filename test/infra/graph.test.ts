/** The deployment of each stage as shipped, and with the deployer's options; built offline in seconds. */

import t from 'tap'
import { stageSettings } from '../../infra/stages.ts'
import { checkGraph } from './graph-checks.ts'
import { offlineGraph } from './offline-graph.ts'
import { ENVIRONMENT, Lookup } from './resource-graph.ts'

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
  ['dev', 'on the direct path', { ARCHIVE_PATH: 'direct' }],
  ['production', 'on the path of Firehose', { ARCHIVE_PATH: 'firehose' }],
  ['staging', 'a stage of somebody’s own', {}],
]

for (const [stage, what, variables] of DEPLOYMENTS) {
  t.test(`${stage}, ${what}`, async (t) => {
    const settings = stageSettings(stage, { ...ENVIRONMENT, ...variables })
    checkGraph(t, stage, settings, await offlineGraph(stage, variables))
  })
}

t.test('each door is used by a shipped stage', async (t) => {
  t.equal(stageSettings('dev', {}).door, 'function-url')
  t.equal(stageSettings('production', {}).door, 'http-api')
})

t.test('each path of the archive is used by a shipped stage', async (t) => {
  t.equal(stageSettings('dev', {}).archivePath, 'firehose')
  t.equal(stageSettings('production', {}).archivePath, 'direct')
})

t.test('all functions use the images that a pipeline names', async (t) => {
  const given = { MILLRACE_IMAGE_URI: 'image@sha256:1', COMPACTOR_IMAGE_URI: 'image@sha256:2' }
  const found = new Lookup(await offlineGraph('production', given))
  t.equal(found.one('aws:lambda/function:Function', 'Gateway').inputs.imageUri, given.MILLRACE_IMAGE_URI)
  t.equal(found.one('aws:lambda/function:Function', 'Compactor').inputs.imageUri, given.COMPACTOR_IMAGE_URI)
  t.equal(found.ofType('aws:ecr/repository:Repository').length, 0)
  await t.rejects(offlineGraph('production', { ...given, COMPACTOR_IMAGE_URI: '' }), /set both, or neither/)
})

t.test('impossible options are rejected before anything is created', async (t) => {
  const refused: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [{ DOOR: 'alb' }, /DOOR is alb; it may be function-url or http-api/],
    [{ CUSTOMER_KEY: 'yes' }, /CUSTOMER_KEY is yes; it may be true or false/],
    [{ GATEWAY_INSTANCES: 'few' }, /GATEWAY_INSTANCES is few; it may be a whole number above 0/],
    [{ ARCHIVE_DAYS: '0' }, /ARCHIVE_DAYS is 0; it may be a number of days, or off/],
    [{ DOOR: 'http-api', DOMAIN: 'logs.example.com' }, /DOMAIN needs DOMAIN_CERTIFICATE/],
    [{ ARCHIVE_PATH: 's3' }, /ARCHIVE_PATH is s3; it may be firehose or direct/],
    [{ ANOMALIES: 'yes' }, /ANOMALIES is yes; it may be true or false/],
    [{ DOMAIN: 'logs.example.com', DOMAIN_CERTIFICATE: CERTIFICATE }, /DOMAIN needs DOOR=http-api/],
  ]
  for (const [env, message] of refused) t.throws(() => stageSettings('dev', env), message)
})
