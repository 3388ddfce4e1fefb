/** Settings of the aws home. */

export const AWS_SETTINGS = {} as const
