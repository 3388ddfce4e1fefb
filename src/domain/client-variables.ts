/** Environment variables of the command line's client. The gateway accepts and ignores them: both may share a shell. */

export const CLIENT_VARIABLES = [
  'MILLRACE_URL',
  'MILLRACE_USERNAME',
  'MILLRACE_PASSWORD',
  'MILLRACE_TOKEN',
  'MILLRACE_TENANT',
  'MILLRACE_PROFILE',
  'MILLRACE_PROFILES_FILE',
] as const
