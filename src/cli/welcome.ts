/** The text that a started gateway prints: its address, and what to try. */

/** `address` is that of the listener, like `http://127.0.0.1:3100`; `place` is where lines are stored, such as `./data`. */
export function welcome(address: string, place: string, version: string): string {
  return `
Millrace ${version} speaks Loki at ${address}; its data is in ${place}

Push a line and query it:

  curl -s ${address}/loki/api/v1/push -H 'Content-Type: application/json' \\
    -d '{"streams":[{"stream":{"app":"hello"},"values":[["'$(date +%s%N)'","hello, millrace"]]}]}'
  curl -s -G ${address}/loki/api/v1/query_range --data-urlencode 'query={app="hello"}'

Or as plain JSON:

  curl -s ${address}/logs -H 'Content-Type: application/json' -d '{"severity":"info","message":"hello again"}'
  curl -s ${address}/logs

In a browser: ${address}
Grafana: add a Loki data source with the URL ${address}
`
}
