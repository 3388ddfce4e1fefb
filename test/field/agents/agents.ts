/** The agents that can be run, each with the configuration of its page in docs/clients. */

export interface Agent {
  readonly name: string
  /** The variable that names the binary. */
  readonly variable: string
  /** The page of docs/clients, and which of its configurations: 0 is the first. */
  readonly recipe: { readonly page: string; readonly index: number }
  /** The name of the configuration file, in the folder of the trial. */
  readonly file: string
  /** `port` is a free port, for an agent that must listen. */
  readonly args: (config: string, dir: string, port: number) => readonly string[]
  /** Arguments that print the version. */
  readonly versionArgs: readonly string[]
  /** Selects what it pushed. */
  readonly selector: string
}

export const AGENTS: readonly Agent[] = [
  {
    name: 'Alloy',
    variable: 'ALLOY_BIN',
    recipe: { page: 'alloy.md', index: 0 },
    file: 'config.alloy',
    args: (config, dir, port) => [
      'run',
      config,
      `--storage.path=${dir}/state`,
      `--server.http.listen-addr=127.0.0.1:${port}`,
      '--disable-reporting',
    ],
    versionArgs: ['--version'],
    selector: '{job="app"}',
  },
  {
    name: 'Promtail',
    variable: 'PROMTAIL_BIN',
    recipe: { page: 'promtail.md', index: 0 },
    file: 'promtail.yaml',
    args: (config) => ['-config.file', config, '-config.expand-env=true'],
    versionArgs: ['--version'],
    selector: '{job="app"}',
  },
  {
    name: 'OpenTelemetry Collector',
    variable: 'OTELCOL_BIN',
    recipe: { page: 'opentelemetry-collector.md', index: 0 },
    file: 'collector.yaml',
    args: (config) => [`--config=${config}`],
    versionArgs: ['--version'],
    selector: '{service_name="app"}',
  },
  {
    name: 'Fluent Bit, output loki',
    variable: 'FLUENT_BIT_BIN',
    recipe: { page: 'fluent-bit.md', index: 0 },
    file: 'fluent-bit.yaml',
    args: (config) => ['-c', config],
    versionArgs: ['--version'],
    selector: '{job="app"}',
  },
  {
    name: 'Fluent Bit, output opentelemetry',
    variable: 'FLUENT_BIT_BIN',
    recipe: { page: 'fluent-bit.md', index: 1 },
    file: 'fluent-bit.yaml',
    args: (config) => ['-c', config],
    versionArgs: ['--version'],
    selector: '{service_name="app"}',
  },
  {
    name: 'syslog-ng',
    variable: 'SYSLOG_NG_BIN',
    recipe: { page: 'syslog-ng.md', index: 0 },
    file: 'syslog-ng.conf',
    args: (config, dir) => [
      ...['-F', '--no-caps', '-f', config],
      ...['-R', `${dir}/state/persist`, '-p', `${dir}/state/pid`, '-c', `${dir}/state/ctl`],
    ],
    versionArgs: ['--version'],
    selector: '{job="app"}',
  },
  {
    name: 'Vector',
    variable: 'VECTOR_BIN',
    recipe: { page: 'vector.md', index: 0 },
    file: 'vector.yaml',
    args: (config) => ['--config', config],
    versionArgs: ['--version'],
    selector: '{job="app"}',
  },
]
