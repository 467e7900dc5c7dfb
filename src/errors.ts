/**
 * What a failure means for the work at hand; the only thing that decides what happens next.
 *
 * - `retry`: may succeed when repeated (throttled, 5xx, time-out, reset).
 * - `reject`: this record or event is bad: report it or dead-letter it, go on with the others.
 * - `systemic`: nothing would succeed now (credentials, permission, missing bus or queue):
 *   pause, keep everything, say so in readiness and the log.
 */
export type FailureKind = 'retry' | 'reject' | 'systemic';

export interface BridgeErrorOptions {
  /** Stable, snake_case, documented in docs/errors.md. */
  readonly code: string;
  readonly kind: FailureKind;
  readonly cause?: unknown;
  /** Facts that are safe in logs and answers: ids, limits, names. Never payloads or secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The base of every failure that this service expects. Anything else is a bug. */
export class BridgeError extends Error {
  override name = 'BridgeError';
  readonly code: string;
  readonly kind: FailureKind;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, options: BridgeErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.kind = options.kind;
    this.details = options.details ?? {};
  }
}

export interface UpstreamErrorOptions extends BridgeErrorOptions {
  readonly service: UpstreamService;
  readonly status?: number | undefined;
  /** The upstream's own id of the request: `ININ-Correlation-Id`, `x-amzn-requestid`. */
  readonly correlationId?: string | undefined;
  /** What the upstream asked us to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** It has too much to do: fewer calls at once. Default: the status is 429. */
  readonly throttled?: boolean | undefined;
  /** Nothing, or not all of an answer, came in time. Default false. */
  readonly timedOut?: boolean | undefined;
  /** What an administrator has to grant, for example `customattributes:write`. */
  readonly missingPermission?: string | undefined;
  /** How many times the call was tried. */
  readonly tries?: number | undefined;
}

export type UpstreamService =
  | 'genesys'
  | 'eventbridge'
  | 'sqs'
  | 'cloudwatch'
  | 'schemas'
  | 'dynamodb';

/** A remote service refused, failed, or could not be reached. `code` starts with its name. */
export class UpstreamError extends BridgeError {
  override name = 'UpstreamError';
  readonly service: UpstreamService;
  readonly status: number | undefined;
  readonly correlationId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly throttled: boolean;
  readonly timedOut: boolean;
  readonly missingPermission: string | undefined;
  readonly tries: number | undefined;

  constructor(message: string, options: UpstreamErrorOptions) {
    super(message, options);
    this.service = options.service;
    this.status = options.status;
    this.correlationId = options.correlationId;
    this.retryAfterMs = options.retryAfterMs;
    this.throttled = options.throttled ?? options.status === 429;
    this.timedOut = options.timedOut ?? false;
    this.missingPermission = options.missingPermission;
    this.tries = options.tries;
  }
}

/** There is enough going on already: for this caller, or for all. Nothing was begun. */
export class BusyError extends BridgeError {
  override name = 'BusyError';
  /** Others may still begin. */
  readonly isCallers: boolean;

  constructor(message: string, options: { readonly code: string; readonly isCallers: boolean }) {
    super(message, { code: options.code, kind: 'retry' });
    this.isCallers = options.isCallers;
  }
}

/** The settings or a configuration file are wrong. `problems` has one sentence for each. */
export class ConfigError extends BridgeError {
  override name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options: { code?: string; cause?: unknown } = {}) {
    super(problems.join('\n'), {
      code: options.code ?? 'invalid_configuration',
      kind: 'systemic',
      cause: options.cause,
    });
    this.problems = problems;
  }
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Whatever was thrown, as an Error. */
export function coerceError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new Error(
    typeof thrown === 'string' ? thrown : 'A value that is not an Error was thrown',
    {
      cause: thrown,
    },
  );
}
