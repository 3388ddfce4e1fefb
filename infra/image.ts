/** The images of the functions: built here, or by the pipeline, which then names them in MILLRACE_IMAGE_URI and COMPACTOR_IMAGE_URI. */

import { resolve } from 'node:path'
import type { StageSettings } from './stages.ts'

export interface Images {
  readonly functions: $util.Output<string>
  /** With DuckDB's library, which no other function needs; undefined without a compactor. */
  readonly compactor: $util.Output<string> | undefined
}

type Target = 'lambda' | 'compactor-lambda'

/** References by digest, so that the functions get a new build. */
export function createImages({ archivePath }: StageSettings): Images {
  const wanted: readonly (readonly [target: Target, name: string, given: string | undefined])[] = [
    ['lambda', 'Image', process.env['MILLRACE_IMAGE_URI']],
    ...(archivePath === 'direct'
      ? ([['compactor-lambda', 'CompactorImage', process.env['COMPACTOR_IMAGE_URI']]] as const)
      : []),
  ]
  if (wanted.some(([, , given]) => given) && !wanted.every(([, , given]) => given)) {
    throw new Error(
      'MILLRACE_IMAGE_URI and COMPACTOR_IMAGE_URI are set together with ARCHIVE_PATH=direct: set both, or neither',
    )
  }
  const build = wanted.every(([, , given]) => given) ? undefined : imageBuilder()
  const [functions, compactor] = wanted.map(([target, name, given]) => build?.(target, name) ?? $output(given ?? ''))
  if (functions === undefined) throw new Error('BUG: no image')
  return { functions, compactor }
}

/** Builds targets of the Dockerfile into one repository. */
function imageBuilder(): (target: Target, name: string) => $util.Output<string> {
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
  return (target, name) => {
    const tag = target === 'lambda' ? $app.stage : `${$app.stage}-compactor`
    const image = new dockerbuild.Image(name, {
      // Relative paths would be taken from the provider's own folder.
      context: { location: resolve('.') },
      dockerfile: { location: resolve('Dockerfile') },
      target,
      platforms: ['linux/arm64'],
      push: true,
      buildOnPreview: false,
      tags: [$interpolate`${repository.repositoryUrl}:${tag}`],
      registries: [{ address: repository.repositoryUrl, username: login.userName, password: login.password }],
    })
    return image.ref
  }
}
