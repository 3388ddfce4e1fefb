/** What to do about each reason for which lines are refused; a test compares the reasons with the gateway's list. */

export const ADVICE: Readonly<Record<string, string>> = {
  line_too_long: 'Send shorter lines, or raise MILLRACE_LINE_BYTES_MAX.',
  greater_than_max_sample_age: 'The lines are older than MILLRACE_AGE_MAX: raise it to take old files in.',
  too_far_in_future: "Check the sender's clock; MILLRACE_FUTURE_MAX is how far ahead is taken.",
  invalid_timestamp: 'Send nanoseconds since 1970 as text.',
  invalid_record: 'Check the exporter: an OTLP record has an id of the wrong size or an unknown key.',
  max_label_names_per_series: 'Keep what differs from line to line out of labels, or raise MILLRACE_LABEL_COUNT_MAX.',
  label_name_too_long: 'Use a shorter name, or raise MILLRACE_LABEL_NAME_BYTES_MAX.',
  label_value_too_long: 'Put long values into the line or its metadata, or raise MILLRACE_LABEL_VALUE_BYTES_MAX.',
  duplicate_label_names: 'Name each label once in a stream.',
  missing_labels: 'Give the stream a label, such as service_name.',
  invalid_labels: 'Names of labels are letters, digits and _; values stand in quotes.',
  missing_enforced_labels: 'Add the labels of MILLRACE_LABELS_REQUIRED.',
  structured_metadata_disallowed: 'Allow it with MILLRACE_METADATA_ALLOWED, or send none.',
  structured_metadata_too_large: 'Send less metadata with a line, or raise MILLRACE_METADATA_BYTES_MAX.',
  structured_metadata_too_many: 'Send fewer pairs with a line, or raise MILLRACE_METADATA_COUNT_MAX.',
  per_stream_rate_limit: 'Split the stream by a label, or raise MILLRACE_STREAM_RATE. Agents send these lines again.',
  stream_limit: 'A label has too many values: put it into metadata, or raise MILLRACE_ACTIVE_STREAMS_MAX.',
  rate_limited:
    'The tenant sends more than MILLRACE_TENANT_RATE: raise it, or slow down. Agents send these lines again.',
}
