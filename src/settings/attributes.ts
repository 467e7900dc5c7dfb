import { group, integer, oneOf, text, unset } from './kinds.ts';

export const attributeSettings = {
  ...group('Attributes', {
    MAPPING_FILE: text('config/crm-mapping.json', 'CRM field or JSONata expression → attribute'),
    ATTRIBUTES_FILE: text(
      'config/attributes.json',
      'Attribute definitions to create at the start where they are missing',
    ),
    SCHEMA_CACHE_TTL_SECONDS: integer(
      3600,
      [1, 604_800],
      'How long attribute definitions and event schemas are kept',
    ),
    SCHEMA_CACHE_MAX_ENTRIES: integer(2000, [1, 1_000_000], 'Entries of the schema cache'),
    ORGANISATION_LOOKUPS_PER_MINUTE: integer(
      300,
      [1, 1_000_000],
      'Organisations that are not in the schema cache and that one caller may have looked up in a minute; more are answered 429',
    ),
    PERMISSION_CACHE_TTL_SECONDS: integer(60, [1, 86_400], 'How long our own permissions are kept'),
    MAP_BATCH_SIZE: integer(
      500,
      [1, 1000],
      'Records per write at the start; Genesys takes at most 1000',
    ),
    MAP_MIN_BATCH_SIZE: integer(50, [1, 1000], 'The adaptive batch size does not go below this'),
    MAP_MAX_BATCH_BYTES: integer(
      500_000,
      [1024, 10_485_760],
      'Largest JSON body of a write; Genesys takes at most 512,000 bytes',
    ),
    MAP_MAX_IN_FLIGHT: integer(4, [1, 64], 'Writes at once per request'),
    MAP_TARGET_LATENCY_MS: integer(
      2000,
      [1, 60_000],
      'Slower writes make the batches smaller, faster ones larger',
    ),
    MAP_MAX_RECORDS: integer(
      5000,
      [1, 1_000_000],
      'Records in one JSON request; NDJSON has no such limit. With GENESYS_API=platform 200 unless set',
    ),
    FINGERPRINT_PATH: text(
      'data/fingerprints.db',
      'File of the fingerprints behind `skipUnchanged`, for one process',
    ),
    FINGERPRINT_MAX_ROWS: integer(
      2_000_000,
      [1, 100_000_000],
      'Fingerprints kept; the oldest go first',
    ),
    FINGERPRINT_TABLE: text(
      unset,
      'DynamoDB table of the fingerprints in place of the file, the same for all processes with `api`; without it `skipUnchanged` is refused unless one process does everything',
      { pattern: '^[\\w.-]{3,255}$' },
    ),
  }),
  // `REPORT_INTERVAL_MS` is of the event pipeline.
  ...group('Usage report', {
    REPORT_CACHE_TTL_SECONDS: integer(60, [0, 86_400], 'How long a usage report is kept'),
    REPORT_MAX_PAGES: integer(100_000, [1, 10_000_000], 'Pages of conversations in one report'),
    REPORT_MAX_RUNNING: integer(
      8,
      [1, 1000],
      'Reports that query Genesys at once; more are answered 503 with Retry-After',
    ),
    REPORT_MAX_RUNNING_PER_CALLER: integer(
      4,
      [1, 1000],
      'The same of one caller; more are answered 429 with Retry-After',
    ),
    REPORT_WINDOWS_IN_FLIGHT: integer(
      4,
      [1, 32],
      "Parts of a report's period fetched side by side",
    ),
    REPORT_VALUES: oneOf(
      'enumerations',
      ['off', 'enumerations', 'all'],
      'Whose most frequent values a detailed report shows',
    ),
  }),
};
