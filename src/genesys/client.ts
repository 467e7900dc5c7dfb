import type { Readable } from 'node:stream';
import { coerceError, UpstreamError } from '../errors.ts';
import { cutText } from '../lib/cut-text.ts';
import type { TokenBucket } from '../lib/limits/token-bucket.ts';
import { createTurnstile } from '../lib/limits/turnstile.ts';
import type { Logger } from '../lib/logger.ts';
import type { Registry } from '../lib/metrics.ts';
import type { Network } from '../lib/network/outgoing-agent.ts';
import { type RetryPolicy, retry, type Sleep } from '../lib/retry.ts';
import { type ClientMetrics, createClientMetrics } from './client-metrics.ts';
import { createExchange, type Exchanged, type Target } from './exchange.ts';
import { badAnswer, type ErrorBody, readErrorBody, refusal } from './failures.ts';
import {
  AnswerTooLarge,
  createHttp,
  firstHeader,
  type Method,
  type Received,
  type RequestTimeouts,
  readText,
} from './http.ts';
import { createRateLimit } from './rate-limit.ts';
import { ShapeError } from './shape.ts';
import type { TokenCache } from './tokens/token-cache.ts';
import { URGENCIES } from './urgency.ts';

export interface GenesysClientOptions {
  /** API base, for example `https://api.mypurecloud.com`. */
  readonly baseUrl: string;
  readonly tokens: TokenCache;
  /** Shared by everything that calls Genesys. */
  readonly bucket: TokenBucket;
  readonly timeouts: RequestTimeouts;
  readonly maxConnections: number;
  /** At most so many processes share the limit of Genesys. Default 1. */
  readonly sharers?: number | undefined;
  readonly network?: Network | undefined;
  /** The one retry layer. The wait for a turn in the bucket does not count as elapsed time. */
  readonly retry: RetryPolicy;
  readonly registry: Registry;
  readonly log: Logger;
  /** W3C trace context of what is being done right now, to hand on. */
  readonly traceparent?: () => string | undefined;
  /** On whose behalf it is done; calls of different callers get their turns in rotation. */
  readonly caller?: () => string | undefined;
  /** Larger answers fail. Default 32 MiB. */
  readonly maxAnswerBytes?: number;
  readonly now?: () => number;
  readonly sleep?: Sleep | undefined;
  readonly random?: (() => number) | undefined;
}

export interface GenesysCall<T> extends Target {
  readonly method: Method;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Repeating it after a lost answer is harmless. Default: POST and PATCH are not, all others are. */
  readonly idempotent?: boolean;
  /** Statuses outside 2xx that are answers; of their body only the error is read. */
  readonly alsoFine?: readonly number[];
  /** Checks the parsed body (`undefined` when there is none); throws ShapeError. */
  readonly read: (body: unknown, status: number, error?: ErrorBody) => T;
  readonly signal?: AbortSignal | undefined;
}

interface GenesysAnswer<T> {
  readonly value: T;
  readonly status: number;
  /** Time of the try that succeeded, in milliseconds, without the wait for its turn. */
  readonly latencyMs: number;
  /** How many tries were answered 429. */
  readonly throttled: number;
  readonly tries: number;
}

interface GenesysStream extends Target {
  /** No byte for this long ends the stream, in milliseconds. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Calls to the Genesys Cloud API: a token, a turn under the rate limit, time limits, retries, and
 * errors that say what to do.
 *
 * A 401 is answered once by a new token and a replay. 429 is repeated after `Retry-After` or a
 * back-off; 5xx, time-outs, broken connections and garbled answers only where repeating is
 * harmless. What fails for good rejects with an UpstreamError: `genesys_credentials_refused`,
 * `genesys_forbidden` (systemic), `genesys_not_found`, `genesys_refused` (reject),
 * `genesys_rate_limited`, `genesys_unavailable`, `genesys_timeout`, `genesys_bad_answer` (retry).
 */
export interface GenesysClient {
  call<T>(call: GenesysCall<T>): Promise<GenesysAnswer<T>>;
  /** Opens an endless body; never repeated, except once after a 401. */
  open(stream: GenesysStream): Promise<Readable>;
  /** Ends everything under way. */
  close(): Promise<void>;
}

const MAX_ERROR_BYTES = 65_536;
/** The service itself, when it acts for nobody. */
const OURSELVES = '';

export function createGenesysClient(options: GenesysClientOptions): GenesysClient {
  const { tokens, bucket, log } = options;
  const now = options.now ?? Date.now;
  const http = createHttp(options);
  const metrics = createClientMetrics(options.registry, () => bucket.perMinute);
  const exchange = openExchange(options, metrics, now);
  let closed = false;

  function renewToken(operation: string, token: string): void {
    tokens.invalidate(token);
    metrics.retried(operation, 'new_token');
  }

  async function call<T>(request: GenesysCall<T>): Promise<GenesysAnswer<T>> {
    const { operation, method, scope, signal } = request;
    const idempotent = request.idempotent ?? (method !== 'POST' && method !== 'PATCH');
    const query =
      request.query === undefined ? '' : `?${new URLSearchParams(request.query).toString()}`;
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    let replayed = false;
    let throttled = 0;
    let waitedMs = 0;

    async function ask(tries: number): Promise<Exchanged<Received>> {
      const traceparent = options.traceparent?.();
      const exchanged = await exchange.send(
        { ...request, query, body, traceparent, signal, tries },
        (outgoing) => http.send(outgoing),
        (turnMs) => {
          waitedMs += turnMs;
        },
      );
      if (exchanged.answer.status === 429) throttled += 1;
      return exchanged;
    }

    async function attempt(tries: number): Promise<GenesysAnswer<T>> {
      let exchanged = await ask(tries);
      if (exchanged.answer.status === 401 && !replayed) {
        replayed = true;
        renewToken(operation, exchanged.token);
        exchanged = await ask(tries);
      }
      const { answer, latencyMs, retryAfterMs, facts } = exchanged;
      const { status } = answer;
      const success = status >= 200 && status < 300;
      if (!success && request.alsoFine?.includes(status) !== true) {
        throw refusal({ ...facts, grant: tokens.grantOf(scope) }, answer, retryAfterMs);
      }
      try {
        const value = success
          ? request.read(parsed(answer), status)
          : request.read(undefined, status, readErrorBody(answer.text, facts.secrets));
        return { value, status, latencyMs, throttled, tries };
      } catch (error) {
        throw error instanceof ShapeError ? badAnswer(facts, answer, error.message) : error;
      }
    }

    return retry(attempt, {
      policy: options.retry,
      signal,
      classify: (error) => ({
        retry: !closed && mayRepeat(error, { operation, idempotent }),
        ...(error instanceof UpstreamError && { retryAfterMs: error.retryAfterMs }),
      }),
      onRetry: (error, { failedTries, delayMs }) => {
        const { message } = coerceError(error);
        const reason = error instanceof UpstreamError ? error.code : 'error';
        metrics.retried(operation, reason);
        log.debug({ operation, failedTries, delayMs, reason }, `Again after: ${message}`);
      },
      now: () => now() - waitedMs,
      sleep: options.sleep,
      random: options.random,
    });
  }

  async function open(stream: GenesysStream): Promise<Readable> {
    const { operation, path, scope, silenceMs, signal, urgency } = stream;
    for (let tries = 1; ; tries += 1) {
      const { answer, token, facts, retryAfterMs } = await exchange.send(
        { operation, method: 'GET', path, query: '', scope, urgency, signal, tries },
        (outgoing) => http.open(outgoing, silenceMs),
      );
      const isPage = firstHeader(answer.headers, 'content-type')?.includes('html') === true;
      if (answer.status === 200 && !isPage) return answer.body;

      const text = await readText(answer.body, MAX_ERROR_BYTES).catch(() => '');
      signal.throwIfAborted();
      if (answer.status === 401 && tries === 1) {
        renewToken(operation, token);
        continue;
      }
      const received: Received = { status: answer.status, headers: answer.headers, text };
      throw isPage && answer.status === 200
        ? badAnswer(facts, received, 'with an HTML page instead of events')
        : refusal({ ...facts, grant: tokens.grantOf(scope) }, received, retryAfterMs);
    }
  }

  return {
    call,
    open,
    async close() {
      closed = true;
      await http.close();
    },
  };
}

/** The one way of everything that is asked: in turn, and no faster than Genesys allows. */
function openExchange(options: GenesysClientOptions, metrics: ClientMetrics, now: () => number) {
  const { bucket, log, sharers, tokens } = options;
  return createExchange({
    base: options.baseUrl.replace(/\/+$/, ''),
    tokens,
    turnstile: createTurnstile({
      bucket,
      places: options.maxConnections,
      classes: URGENCIES,
      sleep: options.sleep,
    }),
    caller: () => options.caller?.() ?? OURSELVES,
    rateLimit: createRateLimit({
      bucket,
      maxPauseMs: options.retry.budgetMs ?? 120_000,
      sharers,
      now,
    }),
    metrics,
    log,
    now,
  });
}

/**
 * Whether a failed try may be followed by another. After a 429 always: nothing was done. After
 * what may pass only if a second time does no harm. What comes from the token endpoint was
 * repeated there; an answer that was too large would be so again, and a redirect leads elsewhere.
 */
function mayRepeat(
  error: unknown,
  call: { readonly operation: string; readonly idempotent: boolean },
): boolean {
  if (!(error instanceof UpstreamError)) return false;
  const { details, kind, status = 0, cause } = error;
  if (details['operation'] !== call.operation) return false;
  if (status === 429) return true;
  const redirected = status >= 300 && status < 400;
  return call.idempotent && kind === 'retry' && !redirected && !(cause instanceof AnswerTooLarge);
}

function parsed(answer: Received): unknown {
  if (answer.text.trim() === '') return undefined;
  try {
    return JSON.parse(answer.text);
  } catch {
    const type = firstHeader(answer.headers, 'content-type') ?? 'of unknown type';
    throw new ShapeError(`its body (${cutText(type, 80)}) is not JSON`);
  }
}
