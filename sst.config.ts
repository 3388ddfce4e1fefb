/// <reference path="./.sst/platform/config.d.ts" />
/** The whole of Millrace on AWS, a stage at a time: `infra/stages.ts` says what differs between stages, docs/deploy.md how it is done. */

export default $config({
  app: ({ stage }) => ({
    name: 'millrace',
    home: 'aws',
    // SST allows no imports here: infra/check holds `protect` to isProtected and the tags to what cleanup and budget ask for.
    // What keeps logs outlives the stack in production; everywhere else nothing is left behind.
    removal: stage === 'production' ? 'retain' : 'remove',
    protect: stage === 'production',
    providers: {
      aws: { version: '7.30.0', defaultTags: { tags: { project: 'millrace', stage, 'millrace-stage': stage } } },
      'docker-build': '0.0.14',
      random: '4.21.2',
    },
  }),
  async run() {
    // SST allows no imports at the top of this file.
    const { stageSettings } = await import('./infra/stages.ts')
    const { createStorage } = await import('./infra/storage.ts')
    const { createIdentity } = await import('./infra/identity.ts')
    const { createTopics } = await import('./infra/topic.ts')
    const { createImages } = await import('./infra/image.ts')
    const { createGateway } = await import('./infra/gateway.ts')
    const { createWorker } = await import('./infra/worker.ts')
    const { createCompactor } = await import('./infra/compactor.ts')
    const { createPoller } = await import('./infra/poller.ts')
    const { createIncidents } = await import('./infra/incidents.ts')
    const { createMonitoring } = await import('./infra/monitoring.ts')

    const settings = stageSettings($app.stage)
    const storage = createStorage(settings)
    const identity = createIdentity(settings, storage)
    const { topic, errorTopic } = createTopics(settings, storage)
    const images = createImages(settings)
    const base = { settings, storage, identity, topic, errorTopic, images }
    const gateway = createGateway(base)
    const worker = createWorker(base)
    const compactor = createCompactor(base)
    const poller = createPoller(base)
    const incidents = createIncidents(base, gateway, poller)
    createMonitoring({ ...base, gateway, worker, compactor, poller, incidents })

    return {
      url: gateway.url,
      domainTarget: gateway.domainTarget,
      bucket: storage.bucket.name,
      table: storage.table.name,
      queue: storage.queue.url,
      deadLetters: storage.deadLetters.url,
      alertFunction: incidents.function.name,
      alertDeadLetters: storage.alertDeadLetters.url,
      compactorFunction: compactor?.function.name,
      pollerFunction: poller?.function.name,
      pollerDeadLetters: storage.pollerDeadLetters?.url,
      firehose: storage.stream.name,
      userPool: identity.pool.id,
      userPoolClient: identity.client.id,
      // Names only: `aws secretsmanager get-secret-value` shows the first user's password, …
      firstUser: identity.firstUserSecret.name,
      // … and `aws ssm get-parameter --with-decryption` shows who may come with a password.
      users: identity.users.name,
      alertTopic: topic.arn,
    }
  },
})
