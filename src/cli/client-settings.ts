/** Address and credentials of the client: from flags, the environment, and a file of profiles. */

import { GatewayError } from '../domain/errors.ts'

export const URL_DEFAULT = 'http://127.0.0.1:3100'

/** What a command gets from outside its arguments. */
export interface ClientSource {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The user's folder of configuration, such as ~/.config. */
  readonly configFolder: string
  /** Undefined if there is no such file. `isPrivate`: only its owner can read it. */
  readFile(path: string): { readonly text: string; readonly isPrivate: boolean } | undefined
}

export const NO_SOURCE: ClientSource = { env: {}, configFolder: '.', readFile: () => undefined }

/** The values of CLIENT_OPTIONS. */
export interface ClientValues {
  readonly url?: string | undefined
  readonly user?: string | undefined
  readonly token?: string | undefined
  readonly tenant?: string | undefined
  readonly profile?: string | undefined
  readonly 'password-file'?: string | undefined
  readonly 'token-file'?: string | undefined
}

/** What one place says. */
interface Layer {
  /** For `doctor`. */
  readonly name: string
  readonly url?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
  readonly tenant?: string | undefined
}

export interface ClientSettings {
  readonly url: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
  readonly tenant?: string | undefined
  /** Where each comes from, such as "MILLRACE_URL" or "profile prod". */
  readonly origins: Readonly<Record<'url' | 'credentials' | 'tenant', string>>
}

/**
 * Flags are first, then the profile that --profile names, the environment (Millrace's variables before logcli's), and the
 * profile that MILLRACE_PROFILE names or that is called `default`. Credentials of a place that names an address go to
 * that address only. Throws parameter_invalid, config_invalid.
 */
export function readClientSettings(values: ClientValues, source: ClientSource): ClientSettings {
  const layers = listLayers(values, source)
  const addressed = layers.find(({ url }) => url !== undefined)
  const url = addressed?.url ?? URL_DEFAULT
  const fitting = layers.filter((layer) => layer.url === undefined || originOf(layer.url) === originOf(url))
  const known = fitting.find(({ username, token }) => username !== undefined || token !== undefined)
  const tenanted = fitting.find(({ tenant }) => tenant !== undefined)
  const password = known?.password ?? fitting.find((layer) => layer.password !== undefined)?.password
  if (known?.username !== undefined && known.token === undefined && password === undefined) {
    throw new GatewayError(
      'parameter_invalid',
      `there is a user name but no password; set MILLRACE_PASSWORD, or give --password-file FILE`,
    )
  }
  return {
    url,
    ...(known?.token === undefined ? { username: known?.username, password } : { token: known.token }),
    tenant: tenanted?.tenant,
    origins: {
      url: addressed?.name ?? 'the default',
      credentials: known?.name ?? 'none',
      tenant: tenanted?.name ?? 'none',
    },
  }
}

function listLayers(values: ClientValues, source: ClientSource): readonly Layer[] {
  const { env } = source
  const first = (...names: string[]) =>
    names.map((name) => env[name]).find((value) => value !== undefined && value !== '')
  const secret = (value: string | undefined, file: string | undefined) =>
    value ?? (file === undefined ? undefined : readSecret(file, source))
  const [username, ...rest] = values.user?.split(':') ?? []
  const flags: Layer = {
    name: 'flags',
    url: values.url,
    username,
    password: rest.length > 0 ? rest.join(':') : secret(undefined, values['password-file']),
    token: secret(values.token, values['token-file']),
    tenant: values.tenant,
  }
  const variables: Layer = {
    name: 'the environment',
    url: first('MILLRACE_URL', 'LOKI_ADDR'),
    username: first('MILLRACE_USERNAME', 'LOKI_USERNAME'),
    password: first('MILLRACE_PASSWORD', 'LOKI_PASSWORD'),
    token: secret(first('MILLRACE_TOKEN', 'LOKI_BEARER_TOKEN'), first('LOKI_BEARER_TOKEN_FILE')),
    tenant: first('MILLRACE_TENANT', 'LOKI_ORG_ID'),
  }
  const { profile } = values
  const path = env['MILLRACE_PROFILES_FILE'] || `${source.configFolder}/millrace/profiles.json`
  if (profile !== undefined) return [flags, readProfile(path, profile, source), variables]
  const named = first('MILLRACE_PROFILE')
  if (named !== undefined) return [flags, variables, readProfile(path, named, source)]
  const isThere = source.readFile(path) !== undefined && 'default' in readProfiles(path, source)
  return isThere ? [flags, variables, readProfile(path, 'default', source)] : [flags, variables]
}

const FIELDS = ['url', 'username', 'password', 'passwordFile', 'token', 'tokenFile', 'tenant']

function readProfile(path: string, name: string, source: ClientSource): Layer {
  const profiles = readProfiles(path, source)
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined
  if (typeof profile !== 'object' || profile === null) {
    const names = Object.keys(profiles)
    throw new GatewayError(
      'config_invalid',
      `${path} has no profile ${JSON.stringify(name)}; it has ${names.join(', ')}`,
    )
  }
  const unknown = Object.entries(profile).find(([field, value]) => !FIELDS.includes(field) || typeof value !== 'string')
  if (unknown !== undefined) {
    const text = `${path}: profile ${JSON.stringify(name)} has ${JSON.stringify(unknown[0])}; expected texts named ${FIELDS.join(', ')}`
    throw new GatewayError('config_invalid', text)
  }
  const { password, passwordFile, token, tokenFile, ...others } = profile as Record<string, string>
  if ((password !== undefined || token !== undefined) && source.readFile(path)?.isPrivate === false) {
    throw new GatewayError('config_invalid', `${path} has a secret, but others can read it: chmod 600 ${path}`)
  }
  return {
    ...others,
    name: `profile ${name}`,
    password: password ?? (passwordFile === undefined ? undefined : readSecret(passwordFile, source)),
    token: token ?? (tokenFile === undefined ? undefined : readSecret(tokenFile, source)),
  }
}

function readProfiles(path: string, source: ClientSource): Record<string, unknown> {
  const file = source.readFile(path)
  if (file === undefined) {
    throw new GatewayError('config_invalid', `there is no ${path}; write {"default": {"url": "${URL_DEFAULT}"}} to it`)
  }
  try {
    const json: unknown = JSON.parse(file.text)
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>
  } catch {
    // The parser's message may quote a password.
  }
  throw new GatewayError('config_invalid', `${path} is not a JSON object of profiles; see docs/query.md`)
}

/** The first line of a file. */
function readSecret(path: string, source: ClientSource): string {
  const [line = ''] = source.readFile(path)?.text.split(/\r?\n/) ?? []
  if (line !== '') return line
  throw new GatewayError('config_invalid', `${path} does not exist or is empty; write the secret to its first line`)
}

function originOf(url: string): string | undefined {
  return URL.parse(url)?.origin
}
