import { context, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import t from 'tap'
import { RestartableGateway } from './restarts.ts'

const TRACE_ID = '5b8efff798038103d269b633813fc60c'
const SPAN_ID = 'eee19b7ec3c1b174'
const LINES = 200

type Settings = NonNullable<ConstructorParameters<typeof JsonExporter>[0]>
const none: Settings = {}
const gzip: Settings = { compression: CompressionAlgorithm.GZIP }
const FORMS = [
  ['JSON', none, JsonExporter],
  ['JSON in gzip', gzip, JsonExporter],
  ['protobuf', none, ProtobufExporter],
  ['protobuf in gzip', gzip, ProtobufExporter],
] as const

const gateway = await RestartableGateway.start(t)

for (const path of ['/v1/logs', '/otlp/v1/logs']) {
  for (const [form, settings, Exporter] of FORMS) {
    const service = `shop ${form} ${path}`
    t.test(`OpenTelemetry's exporter in ${form} at ${path}: every record comes back`, async (t) => {
      const exporter = new Exporter({ ...settings, url: `${gateway.url}${path}` })
      const provider = new LoggerProvider({
        resource: resourceFromAttributes({ 'service.name': service, 'host.name': 'a' }),
        processors: [new BatchLogRecordProcessor({ exporter })],
      })
      const logger = provider.getLogger('lib', '1.0.0')
      const spanContext = { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: TraceFlags.SAMPLED }
      const within = trace.setSpanContext(ROOT_CONTEXT, spanContext)
      const sent = Array.from({ length: LINES }, (_, i) => `line ${i}`)
      context.with(within, () => {
        for (const body of sent) {
          logger.emit({
            body,
            severityNumber: 9,
            severityText: 'INFO',
            attributes: { 'http.status': 200 },
            context: within,
          })
        }
      })
      logger.emit({ body: { message: 'a map', n: 1 }, severityNumber: 17 })
      await provider.forceFlush()
      await provider.shutdown()

      const entries = await gateway.read(`{service_name="${service}"}`)
      t.strictSame(entries.map(({ line }) => line).toSorted(), [...sent, '{"message":"a map","n":1}'].toSorted())
      const first = entries.find(({ line }) => line === 'line 0')
      t.match(first?.metadata, {
        trace_id: TRACE_ID,
        span_id: SPAN_ID,
        http_status: '200',
        severity_text: 'INFO',
        detected_level: 'info',
        host_name: 'a',
        scope_name: 'lib',
      })
      t.match(entries.find(({ line }) => line.startsWith('{'))?.metadata, { detected_level: 'error' })
    })
  }
}
