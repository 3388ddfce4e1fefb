/** The text that a started gateway prints: its address, and what to try. */

export interface Welcome {
  /** Of the listener, like `http://127.0.0.1:3100`. */
  readonly address: string
  /** By which others reach it, if configured. */
  readonly publicUrl: string | undefined
  /** Where lines are stored, such as `./data`. */
  readonly place: string
  readonly version: string
  /** What a request needs: nothing, the password of this user, or a token. */
  readonly access: { readonly user: string } | 'token' | 'local token' | undefined
  /** Whether a request must name its tenant. */
  readonly needsTenant: boolean
}

/** The lines paste into bash and zsh, on Linux and macOS. They contain no password. */
export function welcome({ address, publicUrl, place, version, access, needsTenant }: Welcome): string {
  const url = publicUrl?.replace(/\/+$/, '') ?? reachable(address)
  const [first, flag] = credentials(access)
  const curl = `curl -sS${flag}${needsTenant ? " -H 'X-Scope-OrgID: team-a'" : ''}`
  return `
Millrace ${version} speaks Loki at ${address}; its data is in ${place}

Push a line and query it:

${first}  ${curl} ${url}/loki/api/v1/push -H 'Content-Type: application/json' \\
    -d '{"streams":[{"stream":{"app":"hello"},"values":[["'$(date +%s)'000000000","hello, millrace"]]}]}'
  ${curl} -G ${url}/loki/api/v1/query_range --data-urlencode 'query={app="hello"}'

Or as plain JSON:

  ${curl} ${url}/logs -H 'Content-Type: application/json' -d '{"severity":"info","message":"hello again"}'
  ${curl} ${url}/logs

In a browser: ${url}
Grafana: add a Loki data source with the URL ${url}${access === undefined ? '' : ' and the same credentials'}
`
}

/** A line that reads the secret, and the flag that uses it. */
function credentials(access: Welcome['access']): readonly [string, string] {
  if (access === undefined) return ['', '']
  if (access === 'token') return ['  TOKEN=   # of your token issuer\n', ' -H "Authorization: Bearer $TOKEN"']
  if (access === 'local token')
    return ['  TOKEN=$(millrace token --subject me)\n', ' -H "Authorization: Bearer $TOKEN"']
  const user = access.user.replaceAll("'", `'\\''`)
  return [`  printf 'Password: '; read -rs PASSWORD; echo\n`, ` -u '${user}':"$PASSWORD"`]
}

/** The wildcard addresses are no destinations: this machine reaches itself by loopback. */
function reachable(address: string): string {
  return address.replace('//0.0.0.0', '//127.0.0.1').replace('//[::]', '//[::1]')
}
