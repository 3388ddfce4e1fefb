/** The operator's overview: accepted against stored, errors, alarms, lag, cost. */

import { type Alarm, errorNamespace, type Monitored, metricsNamespace } from './monitored.ts'

/** The consumers with dead letters. */
const CONSUMERS = ['the worker', 'the alert processor', 'the poller']
/** CloudWatch's dashboards are 24 units wide. */
const WIDTH = 24

export function dashboardBody(monitored: Monitored, alarms: readonly Alarm[]): $util.Output<string> {
  const { compactor, incidents, gateway, poller, storage, worker } = monitored
  const region = aws.getRegionOutput({}).region
  const graph = (title: string, metrics: unknown[], options: object = {}) => ({
    type: 'metric',
    height: 6,
    properties: { title, region, view: 'timeSeries', stat: 'Sum', period: 60, metrics, ...options },
  })
  const functions = [gateway, worker, incidents, compactor, poller].filter((made) => made !== undefined)
  const widgets = [
    {
      type: 'alarm',
      height: 4,
      width: WIDTH,
      properties: { title: 'Alarm Status', alarms: alarms.map(({ arn }) => arn) },
    },
    graph('Ingested against processed', [
      [metricsNamespace(), 'IngestedLogCount'],
      ['.', 'ProcessedLogCount'],
      ['.', 'ProcessingErrors', { color: '#d13212' }],
    ]),
    graph('Error Count (1 min)', [[errorNamespace(), 'ErrorCount', { color: '#d13212' }]]),
    {
      type: 'log',
      height: 6,
      properties: {
        title: 'Recent Errors',
        region,
        view: 'table',
        query: $interpolate`${$output(incidents.watched.map(({ name }) => name)).apply((names) => names.map((name) => `SOURCE '${name}'`).join(' | '))} | fields @timestamp, @message | filter @message like /ERROR|"level":"error"/ | sort @timestamp desc | limit 20`,
      },
    },
    graph('Queue', [
      [
        'AWS/SQS',
        'ApproximateNumberOfMessagesVisible',
        'QueueName',
        storage.queue.nodes.queue.name,
        { label: 'waiting', stat: 'Maximum' },
      ],
      ['.', 'ApproximateAgeOfOldestMessage', '.', '.', { label: 'oldest, s', stat: 'Maximum', yAxis: 'right' }],
      ...[storage.deadLetters, storage.alertDeadLetters, storage.pollerDeadLetters].flatMap((queue, index) =>
        queue === undefined
          ? []
          : [
              [
                '.',
                'ApproximateNumberOfMessagesVisible',
                '.',
                queue.nodes.queue.name,
                { label: `dead letters of ${CONSUMERS[index]}`, stat: 'Maximum' },
              ],
            ],
      ),
    ]),
    graph('Firehose', [
      ['AWS/Firehose', 'IncomingBytes', 'DeliveryStreamName', storage.stream.name],
      ['.', 'DeliveryToS3.Bytes', '.', '.'],
      ['.', 'DeliveryToS3.DataFreshness', '.', '.', { stat: 'Maximum', yAxis: 'right', label: 'oldest, s' }],
    ]),
    graph('Requests and their time', [
      ['AWS/Lambda', 'Invocations', 'FunctionName', gateway.function.name],
      ['.', 'Duration', '.', '.', { stat: 'p50', yAxis: 'right' }],
      ['.', 'Duration', '.', '.', { stat: 'p99', yAxis: 'right' }],
    ]),
    graph(
      'Functions that failed',
      functions.map((made) => ['AWS/Lambda', 'Errors', 'FunctionName', made.function.name]),
    ),
    ...(compactor === undefined
      ? []
      : [
          graph('Compaction', [
            [metricsNamespace(), 'CompactedLogCount'],
            ['.', 'CompactionFailures', { color: '#d13212' }],
            ['.', 'CompactionBehindSeconds', { stat: 'Maximum', yAxis: 'right', label: 'behind, s' }],
          ]),
        ]),
    graph('Lag of the sources, s', [[metricsNamespace(), 'SourceLagSeconds', { stat: 'Maximum' }]]),
    // List prices of us-east-1, arm64; storage, data out and CloudWatch itself come on top.
    graph(
      'Dollars an hour, about',
      [
        [
          {
            expression:
              '(m1/1000*1.0*0.0000133334 + m2*0.0000002) + m3/1073741824*0.029 + m4*0.0000004 + m5*0.000000625',
            label: 'functions, Firehose, queue, table',
          },
        ],
        ['AWS/Lambda', 'Duration', 'FunctionName', gateway.function.name, { id: 'm1', visible: false }],
        ['.', 'Invocations', '.', '.', { id: 'm2', visible: false }],
        ['AWS/Firehose', 'IncomingBytes', 'DeliveryStreamName', storage.stream.name, { id: 'm3', visible: false }],
        ['AWS/SQS', 'NumberOfMessagesSent', 'QueueName', storage.queue.nodes.queue.name, { id: 'm4', visible: false }],
        ['AWS/DynamoDB', 'ConsumedWriteCapacityUnits', 'TableName', storage.table.name, { id: 'm5', visible: false }],
      ],
      { period: 3600 },
    ),
  ]
  return $jsonStringify({ widgets: placed(widgets) })
}

/** Arranges widgets in rows of two; a widget with its own width gets a row. */
function placed(widgets: readonly { readonly height: number; readonly width?: number }[]): object[] {
  let x = 0
  let y = 0
  let rowHeight = 0
  return widgets.map((widget) => {
    const width = widget.width ?? WIDTH / 2
    if (x + width > WIDTH) {
      x = 0
      y += rowHeight
      rowHeight = 0
    }
    const at = { ...widget, x, y, width }
    x += width
    rowHeight = Math.max(rowHeight, widget.height)
    return at
  })
}
