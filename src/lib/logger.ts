import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const SECRET_KEYS = [
  'authorization',
  'Authorization',
  'x-api-key',
  'access_token',
  'refresh_token',
  'assertion',
  'client_secret',
  'clientSecret',
  'privateKey',
  'password',
  'apiKey',
  'token',
  'cookie',
  'set-cookie',
];

/**
 * JSON lines on standard output (or `destination`), one per message. Known secret fields are
 * redacted as a last resort; the rule is not to log them at all.
 */
export function createLogger(options: {
  level: LogLevel;
  destination?: DestinationStream;
}): Logger {
  const paths = SECRET_KEYS.flatMap((key) => [`["${key}"]`, `*["${key}"]`, `*.*["${key}"]`]);
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths, censor: '[redacted]' },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
