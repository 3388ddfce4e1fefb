/** The steps that convert a case's text to the bytes of the body. */

import { readFileSync } from 'node:fs'
import { brotliCompressSync, crc32, deflateSync, gzipSync } from 'node:zlib'
import protobuf from 'protobufjs'
import snappy from 'snappyjs'
import { PUSH_REQUEST } from '../../src/protocol/loki/loki-push-encode.ts'

const NESTING = 2000

const STEPS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  bom: (body) => Buffer.concat([Buffer.from('\ufeff'), body]),
  utf16le: (body) => Buffer.from(body.toString(), 'utf16le'),
  gzip: (body) => gzipSync(body),
  zlib: (body) => deflateSync(body),
  brotli: (body) => brotliCompressSync(body),
  snappy: (body) => Buffer.from(snappy.compress(new Uint8Array(body))),
  'snappy-framed': frameSnappy,
  base64: (body) => Buffer.from(body.toString('base64')),
  quoted: (body) => Buffer.from(JSON.stringify(body.toString())),
  /** `\xHH` is a byte. */
  bytes: (body) =>
    Buffer.from(
      body.toString('latin1').replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) => {
        return String.fromCharCode(Number.parseInt(hex, 16))
      }),
      'latin1',
    ),
  nested: (body) => Buffer.from(body.toString().replace('NEST', `${'['.repeat(NESTING)}${']'.repeat(NESTING)}`)),
  protobuf: (body) => Buffer.from(PUSH_REQUEST.encode(PUSH_REQUEST.fromObject(jsonOf(body))).finish()),
  'otlp-protobuf': (body) => {
    const proto = readFileSync('proto/otlp-logs.proto', 'utf8')
    const { root } = protobuf.parse(proto, { keepCase: false })
    const type = root.lookupType('millrace.otlp.ExportLogsServiceRequest')
    return Buffer.from(type.encode(type.fromObject(jsonOf(body))).finish())
  },
  /** The body's text is the service; the metric's name is field 1, where a log record has its time. */
  'otlp-metrics': (body) => signalOf(body, field(1, 'cpu'), field(3, '1'), field(5, field(1, '?'))),
  'otlp-traces': (body) => signalOf(body, field(1, Buffer.alloc(16, 1)), field(2, Buffer.alloc(8, 2)), field(5, 'GET')),
}

/** ExportMetricsServiceRequest or ExportTraceServiceRequest with one item of one resource. */
function signalOf(service: Buffer, ...item: readonly Buffer[]): Buffer {
  const attribute = Buffer.concat([field(1, 'service.name'), field(2, field(1, service))])
  return field(1, Buffer.concat([field(1, field(1, attribute)), field(2, field(2, Buffer.concat(item)))]))
}

/** A length-delimited field of protobuf of less than 128 bytes. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  return Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes])
}

export function bytesOf(text: string, steps: readonly string[]): Buffer {
  let body = Buffer.from(text)
  for (const step of steps) {
    const take = STEPS[step]
    if (take === undefined) throw new Error(`there is no step "${step}"; known are ${Object.keys(STEPS).join(', ')}`)
    body = take(body) as Buffer<ArrayBuffer>
  }
  return body
}

function jsonOf(body: Buffer): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>
}

/**
 * One uncompressed chunk of snappy's framing format: its name, then length, masked CRC-32C (not checked here) and data.
 */
function frameSnappy(body: Buffer): Buffer {
  const name = Buffer.from('ff060000734e61507059', 'hex')
  const head = Buffer.alloc(8)
  head.writeUInt8(1, 0)
  head.writeUIntLE(body.length + 4, 1, 3)
  head.writeUInt32LE(crc32(body), 4)
  return Buffer.concat([name, head, body])
}
