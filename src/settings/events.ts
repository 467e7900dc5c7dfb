import { address, flag, group, integer, oneOf, text, unset } from './kinds.ts';

/** From the stream to the bus, in the order of an event's way. */
export const eventSettings = group('Event pipeline', {
  ROLES: text(
    'api,reader,publisher',
    'What this process does: `api` the HTTP routes, `reader` reads the stream, `publisher` publishes',
    { pattern: '^(api|reader|publisher)(,(api|reader|publisher))*$' },
  ),
  WORKER_ENABLED: flag(true, 'false is the older form of `ROLES=api`'),
  READER_NAME: text(
    unset,
    'Of this reader, when several read: names its subscription, unique in the organisation; none = the host name',
    { pattern: '^[\\w.-]{1,64}$' },
  ),
  BUFFER_QUEUE_URL: address(
    unset,
    'SQS queue between readers and publishers (`.fifo` drops copies); none = the journal of this process',
  ),
  BUFFER_LINGER_MS: integer(50, [0, 10_000], 'How long an event waits for others on its way there'),
  BUFFER_HOLD_SECONDS: integer(
    30,
    [2, 43_200],
    'How long a publisher holds an event before others may have it; renewed at half of it',
  ),
  BUFFER_MAX_HOLDS: integer(
    10,
    [4, 1000],
    'An event that was held so often is a dead letter `poisoned`',
  ),
  EVENT_SUBSCRIPTION_ID: text(unset, 'Use this subscription instead of creating one', {
    pattern: '^[\\w.-]{1,128}$',
  }),
  EVENT_STREAM_LIVENESS_MS: integer(
    90_000,
    [50, 3_600_000],
    'A stream without one byte for this long is opened again',
  ),
  EVENT_STREAM_MAX_LINE_BYTES: integer(
    1_048_576,
    [1024, 104_857_600],
    'Longest line of the stream',
  ),
  EVENT_STREAM_RETRY_MAX_MS: integer(
    30_000,
    [10, 3_600_000],
    'Upper bound of the back-off between connections',
  ),
  EVENT_DEDUPE_ROWS: integer(
    100_000,
    [0, 100_000_000],
    'Events remembered to drop duplicates after a reconnect',
  ),

  JOURNAL_PATH: text('data/journal.db', 'File of the event journal'),
  JOURNAL_MAX_BYTES: integer(
    1_073_741_824,
    [65_536, 1_099_511_627_776],
    'A larger journal stops the reader',
  ),
  JOURNAL_MAX_ROWS: integer(
    1_000_000,
    [10, 1_000_000_000],
    'More unsettled events stop the reader',
  ),

  EVENT_FILTER_FILE: text('config/event-filter.json', 'Rules that say which events are forwarded'),
  EVENT_EXPRESSION_FILE: text(
    'config/event-transform.jsonata',
    'JSONata expression: raw event → bus event',
  ),
  JSONATA_TIMEOUT_MS: integer(1000, [10, 60_000], 'Guardrail: longest evaluation'),
  JSONATA_MAX_DEPTH: integer(200, [10, 10_000], 'Guardrail: deepest recursion'),
  JSONATA_MAX_SEQUENCE: integer(10_000, [10, 10_000_000], 'Guardrail: longest sequence'),
  JSONATA_COMPILE: flag(
    true,
    'false always interprets expressions instead of compiling what can be compiled',
  ),
  EVENT_SCHEMA_FILE: text('config/event-schema.json', 'JSON Schema of the bus event'),
  EVENT_SCHEMA_REGISTRY: text(unset, 'AWS Schema Registry to use instead of the file'),
  EVENT_SCHEMA_NAME: text(unset, 'Schema in that registry'),
  EVENT_SCHEMA_VERSION: text(unset, 'Its version; none = the latest'),
  EVENT_SCHEMA_COMPONENT: text(
    unset,
    'Component of an OpenApi3 schema to use; none = what AWSEvent.detail points to',
  ),
  EVENT_SCHEMA_MODE: oneOf(
    'enforce',
    ['off', 'warn', 'enforce'],
    'What becomes of an event that breaks the schema: nothing, a warning, a dead letter',
  ),

  PUBLISH_LINGER_MS: integer(
    10,
    [0, 10_000],
    'How long an event waits for others to fill its batch',
  ),
  PUBLISH_MAX_IN_FLIGHT: integer(8, [1, 50], 'PutEvents calls at once'),
  PUBLISH_MAX_RETRIES: integer(
    5,
    [0, 100],
    'Retries of an entry that EventBridge refuses for the moment',
  ),
  PUBLISH_RETRY_BASE_MS: integer(1000, [1, 60_000], 'Upper bound of the first back-off'),
  PUBLISH_RETRY_MAX_MS: integer(30_000, [1, 600_000], 'Upper bound of any back-off'),

  // Not of the usage report, in spite of the name.
  REPORT_INTERVAL_MS: integer(60_000, [100, 86_400_000], 'Between two [Pipeline Report] lines'),

  SIMULATE_OVERRIDES: flag(
    false,
    '`/simulate` may try another expression, schema or filter (in a child process)',
  ),
  SIMULATE_TIMEOUT_MS: integer(3000, [50, 60_000], 'Deadline of such a child process'),
  SIMULATE_MEMORY_BYTES: integer(
    134_217_728,
    [33_554_432, 4_294_967_296],
    'Heap of such a child process; all of its memory may be 256 MiB more',
  ),
});
