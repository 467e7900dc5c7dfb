import { flag, group, integer, oneOf, text, unset } from './kinds.ts';

export const serviceSettings = group('Service', {
  PORT: integer(3000, [0, 65_535], 'HTTP port; 0 picks a free one'),
  PROBE_PORT: integer(
    unset,
    [0, 65_535],
    'A port of their own for `/livez` and `/readyz`, which no other caller can hold up; 0 picks a free one; none = they are on PORT alone',
  ),
  HOST: text(
    unset,
    'Address to listen on; none = 127.0.0.1 with `AUTH_MODE=none`, all addresses (0.0.0.0) else',
  ),
  NODE_ENV: oneOf(
    'development',
    ['development', 'test', 'production'],
    'In production nothing is assumed: credentials, addresses, region, bus, queue and authentication must be said',
  ),
  LOG_LEVEL: oneOf(
    'info',
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'Least severe message to log',
  ),
  HOLD_EDITS_TO_EXAMPLES: flag(
    true,
    'An edit of a configuration file is taken over only when the examples beside it hold',
  ),
  SHUTDOWN_TIMEOUT_MS: integer(
    25_000,
    [100, 600_000],
    'Bound of a graceful stop; then the process exits with 1 and the journal keeps the rest',
  ),
});
