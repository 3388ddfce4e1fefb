/** A gateway without lines: how the first one is sent. It ends by itself when one has come. */

import { useEffect, useState } from 'preact/hooks'
import { addressOf, send, wordsOf } from '../api/request.ts'
import { tenant } from '../settings.ts'
import { CopyButton, Fault } from '../ui/parts.tsx'
import { useEvery } from '../ui/use-every.ts'

const AGAIN_MS = 2000

const shell = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

function examples(): readonly { readonly name: string; readonly text: string }[] {
  const base = addressOf('').href.replace(/\/$/, '')
  const who = tenant.value
  const header = who === '' ? '' : ` -H ${shell(`X-Scope-OrgID: ${who}`)}`
  const alloyTenant = who === '' ? '' : `\n    tenant_id = ${JSON.stringify(who)}`
  return [
    {
      name: 'curl',
      text: `curl ${shell(`${base}/logs`)}${header} -H 'content-type: application/json' -d '{"message": "hello", "level": "info", "service": "first"}'`,
    },
    {
      name: 'Alloy',
      text: `local.file_match "logs" {
  path_targets = [{ __path__ = "/var/log/*.log", service_name = "first" }]
}
loki.source.file "logs" {
  targets    = local.file_match.logs.targets
  forward_to = [loki.write.millrace.receiver]
}
loki.write "millrace" {
  endpoint {
    url = "${base}/loki/api/v1/push"${alloyTenant}
  }
}`,
    },
    {
      name: 'Vector',
      text: `sources:
  files:
    type: file
    include: [/var/log/*.log]
sinks:
  millrace:
    type: loki
    inputs: [files]
    endpoint: ${base}${who === '' ? '' : `\n    tenant_id: ${JSON.stringify(who)}`}
    encoding: { codec: text }
    labels: { service_name: first }`,
    },
    {
      name: 'OpenTelemetry',
      text: `receivers:
  filelog: { include: [/var/log/*.log] }
exporters:
  otlphttp:
    logs_endpoint: ${base}/otlp/v1/logs${who === '' ? '' : `\n    headers: { X-Scope-OrgID: ${JSON.stringify(who)} }`}
service:
  pipelines:
    logs: { receivers: [filelog], exporters: [otlphttp] }`,
    },
  ]
}

export function Welcome({ again }: { again: () => void }) {
  const [at, setAt] = useState(0)
  const [fault, setFault] = useState<string>()
  const [isSending, setSending] = useState(false)
  const all = examples()
  const shown = all[at] as (typeof all)[number]
  useEffect(() => {
    document.title = 'Millrace'
  }, [])
  useEvery(AGAIN_MS, again)
  const sample = async (): Promise<void> => {
    setSending(true)
    setFault(undefined)
    try {
      const { sampleStreams } = await import('../sample.ts')
      await send(addressOf('loki/api/v1/push'), {
        method: 'POST',
        body: JSON.stringify({ streams: sampleStreams(Date.now()) }),
      })
      again()
    } catch (error) {
      setFault(wordsOf(error))
    }
    setSending(false)
  }
  return (
    <main class="page welcome" id="main" tabIndex={-1}>
      <h1>Send your first line.</h1>
      <p>No line has come in the last 30 days. This page opens by itself when one does.</p>
      <div class="card">
        <fieldset class="tabs">
          <legend class="hidden">Client</legend>
          {all.map(({ name }, i) => (
            <button key={name} type="button" aria-pressed={i === at} onClick={() => setAt(i)}>
              {name}
            </button>
          ))}
        </fieldset>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long example is scrolled by the keyboard */}
        <pre class="example" tabIndex={0}>
          {shown.text}
        </pre>
        <CopyButton key={at} text={shown.text} />
      </div>
      <p>
        Or look around first:{' '}
        <button type="button" class="btn main" id="sample" disabled={isSending} onClick={sample}>
          Send a sample
        </button>{' '}
        <span class="soft">200 lines of four services, over the last hour</span>
      </p>
      {fault !== undefined && <Fault words={fault} />}
    </main>
  )
}
