import { group, integer, unset } from './kinds.ts';

/** What a caller may ask of the service. */
export const limitSettings = group('Limits', {
  HTTP_BODY_LIMIT_BYTES: integer(
    2_097_152,
    [1024, 104_857_600],
    'Largest JSON body; NDJSON has no such limit',
  ),
  HTTP_MAX_HELD_BODY_BYTES: integer(
    unset,
    [1_048_576, 17_179_869_184],
    "What JSON bodies that are being read or worked on may take of the memory, all requests together (their bytes, and 64 a value), and as much NDJSON streams (1.5 MiB each, more for lines beyond 64 KiB); more are answered 503. None = an eighth of the heap's limit",
  ),
  HTTP_LINE_LIMIT_BYTES: integer(1_048_576, [1024, 104_857_600], 'Longest line of an NDJSON body'),
  HTTP_MAX_JSON_DEPTH: integer(64, [4, 1000], 'Deepest nesting of a JSON body'),
  HTTP_MAX_JSON_VALUES: integer(
    100_000,
    [1000, 10_000_000],
    'Values of a JSON body: objects, lists, and all that is in them; NDJSON has no such limit',
  ),
  HTTP_MAX_IN_FLIGHT: integer(
    2000,
    [1, 100_000],
    'Requests at once; more are answered 503 with Retry-After',
  ),
  HTTP_MAX_LOOP_DELAY_MS: integer(
    1000,
    [0, 60_000],
    'While the event loop is later than this on average, requests are answered 503; 0 = never',
  ),
  HTTP_RATE_LIMIT_PER_MINUTE: integer(
    12_000,
    [0, 10_000_000],
    'Requests a caller may make in a minute; 0 = no limit',
  ),
  HTTP_HEADERS_TIMEOUT_MS: integer(
    10_000,
    [100, 600_000],
    "Time for a request's headers to arrive",
  ),
  HTTP_BODY_TIMEOUT_MS: integer(
    30_000,
    [100, 3_600_000],
    'Time for a JSON body to arrive, and the longest silence in a streamed one',
  ),
});
