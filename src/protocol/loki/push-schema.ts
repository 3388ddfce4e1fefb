/** proto/push.proto as protobufjs reads it. Made by scripts/push-schema.mjs; do not edit. */

export const PUSH_SCHEMA = {
  nested: {
    logproto: {
      nested: {
        PushRequest: {
          fields: {
            streams: {
              rule: 'repeated',
              type: 'StreamAdapter',
              id: 1,
            },
            format: {
              type: 'string',
              id: 2,
            },
          },
        },
        PushResponse: {
          fields: {},
        },
        StreamAdapter: {
          fields: {
            labels: {
              type: 'string',
              id: 1,
            },
            entries: {
              rule: 'repeated',
              type: 'EntryAdapter',
              id: 2,
            },
            hash: {
              type: 'uint64',
              id: 3,
            },
          },
        },
        EntryAdapter: {
          fields: {
            timestamp: {
              type: 'Timestamp',
              id: 1,
            },
            line: {
              type: 'string',
              id: 2,
            },
            structuredMetadata: {
              rule: 'repeated',
              type: 'LabelPairAdapter',
              id: 3,
            },
            parsed: {
              rule: 'repeated',
              type: 'LabelPairAdapter',
              id: 4,
            },
          },
        },
        LabelPairAdapter: {
          fields: {
            name: {
              type: 'string',
              id: 1,
            },
            value: {
              type: 'string',
              id: 2,
            },
          },
        },
        Timestamp: {
          fields: {
            seconds: {
              type: 'int64',
              id: 1,
            },
            nanos: {
              type: 'int32',
              id: 2,
            },
          },
        },
      },
    },
  },
}
