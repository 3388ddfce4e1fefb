/** The one image of all functions: built here, or by the pipeline, which then names it in MILLRACE_IMAGE_URI. */

import { resolve } from 'node:path'

/** A reference by digest, so that a new build really reaches the functions. */
export function createImage(): $util.Output<string> {
  const given = process.env['MILLRACE_IMAGE_URI']
  if (given !== undefined && given !== '') return $output(given)
  const repository = new aws.ecr.Repository('Images', {
    forceDelete: $app.stage !== 'production',
    imageTagMutability: 'MUTABLE',
    imageScanningConfiguration: { scanOnPush: true },
  })
  new aws.ecr.LifecyclePolicy('ImagesLifecycle', {
    repository: repository.name,
    policy: $jsonStringify({
      rules: [
        {
          rulePriority: 1,
          selection: { tagStatus: 'untagged', countType: 'imageCountMoreThan', countNumber: 10 },
          action: { type: 'expire' },
        },
      ],
    }),
  })
  const login = aws.ecr.getAuthorizationTokenOutput({ registryId: repository.registryId })
  const image = new dockerbuild.Image('Image', {
    // Relative paths would be taken from the provider's own folder.
    context: { location: resolve('.') },
    dockerfile: { location: resolve('Dockerfile') },
    target: 'lambda',
    platforms: ['linux/arm64'],
    push: true,
    buildOnPreview: false,
    tags: [$interpolate`${repository.repositoryUrl}:${$app.stage}`],
    registries: [{ address: repository.repositoryUrl, username: login.userName, password: login.password }],
  })
  return image.ref
}
