import type { Readable } from 'node:stream';
import { coerceError, UpstreamError } from '../errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { Registry } from '../lib/metrics.ts';
import { type RetryPolicy, retry, type Sleep } from '../lib/retry.ts';
import type { TokenBucket } from '../lib/token-bucket.ts';
import { createClientMetrics } from './client-metrics.ts';
import { badAnswer, noAnswer, refusal } from './failures.ts';
import {
  AnswerTooLarge,
  createHttp,
  headerOf,
  type Opened,
  type Outgoing,
  type Received,
  type RequestTimeouts,
  readText,
} from './http.ts';
import { createRateLimit } from './rate-limit.ts';
import type { Scope } from './scopes.ts';
import { ShapeError } from './shape.ts';
import type { TokenCache } from './tokens/token-cache.ts';

export interface GenesysClientOptions {
  /** API base, for example `https://api.mypurecloud.com`. */
  readonly baseUrl: string;
  readonly tokens: TokenCache;
  /** Shared by everything that calls Genesys. */
  readonly bucket: TokenBucket;
  readonly timeouts: RequestTimeouts;
  readonly maxConnections: number;
  /** The one retry layer. The wait for a turn in the bucket does not count as elapsed time. */
  readonly retry: RetryPolicy;
  readonly registry: Registry;
  readonly log: Logger;
  /** W3C trace context of what is being done right now, to hand on. */
  readonly traceparent?: () => string | undefined;
  /** Larger answers fail. Default 32 MiB. */
  readonly maxAnswerBytes?: number;
  readonly now?: () => number;
  readonly sleep?: Sleep;
  readonly random?: () => number;
}

interface Target {
  /** Stable name of the operation, in metrics and messages. */
  readonly operation: string;
  /** With its parameters encoded, without the query. */
  readonly path: string;
  readonly scope: Scope;
}

export interface GenesysCall<T> extends Target {
  readonly method: 'GET' | 'POST';
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Repeating it after a lost answer is harmless. Default: GET is, POST is not. */
  readonly idempotent?: boolean;
  /** Statuses outside 2xx that are answers; their body is not read. */
  readonly alsoFine?: readonly number[];
  /** Checks the parsed body (`undefined` when there is none); throws ShapeError. */
  readonly read: (body: unknown, status: number) => T;
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

interface Verdict {
  readonly retry: boolean;
  readonly retryAfterMs?: number | undefined;
}

const MAX_ERROR_BYTES = 65_536;

export function createGenesysClient(options: GenesysClientOptions): GenesysClient {
  const { tokens, bucket, log } = options;
  const now = options.now ?? Date.now;
  const base = options.baseUrl.replace(/\/+$/, '');
  const http = createHttp(options);
  const metrics = createClientMetrics(options.registry, () => bucket.perMinute);
  const rateLimit = createRateLimit({ bucket, maxPauseMs: options.retry.budgetMs ?? 120_000, now });
  let closed = false;

  async function turn(signal: AbortSignal | undefined): Promise<number> {
    const startedMs = now();
    await bucket.take(signal);
    const waitedMs = now() - startedMs;
    metrics.waited(waitedMs / 1000);
    return waitedMs;
  }

  /** One exchange, measured; `send` does it with the headers that every request has. */
  async function measured<A extends { readonly status: number }>(
    operation: string,
    exchange: () => Promise<A>,
  ): Promise<{ answer: A; latencyMs: number }> {
    const startedMs = now();
    let status = 'aborted';
    try {
      const answer = await exchange();
      status = String(answer.status);
      return { answer, latencyMs: now() - startedMs };
    } catch (error) {
      if (error instanceof UpstreamError) status = error.code;
      throw error;
    } finally {
      metrics.exchanged(operation, status, (now() - startedMs) / 1000);
    }
  }

  async function call<T>(request: GenesysCall<T>): Promise<GenesysAnswer<T>> {
    const { operation, method, path, scope, signal } = request;
    const idempotent = request.idempotent ?? method === 'GET';
    const query =
      request.query === undefined ? '' : `?${new URLSearchParams(request.query).toString()}`;
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    let replayed = false;
    let throttled = 0;
    let waitedMs = 0;
    let again: Verdict = { retry: false };

    async function exchange(tries: number) {
      waitedMs += await turn(signal);
      const token = await tokens.get(scope, signal);
      const facts = { operation, method, path, scope, tries, secrets: [token] };
      const outgoing: Outgoing = {
        method,
        url: base + path + query,
        headers: headersOf(token, body, options.traceparent?.()),
        body,
        signal,
      };
      const { answer, latencyMs } = await measured(operation, async () => {
        try {
          return await http.send(outgoing);
        } catch (error) {
          signal?.throwIfAborted();
          again = { retry: idempotent && !closed && !(error instanceof AnswerTooLarge) };
          throw noAnswer(facts, error);
        }
      });
      const retryAfterMs = rateLimit.observe(answer);
      if (answer.status === 429) throttled += 1;
      return { answer, latencyMs, retryAfterMs, token, facts };
    }

    async function attempt(tries: number): Promise<GenesysAnswer<T>> {
      again = { retry: false };
      let exchanged = await exchange(tries);
      if (exchanged.answer.status === 401 && !replayed) {
        replayed = true;
        tokens.invalidate(exchanged.token);
        metrics.retried(operation, 'new_token');
        exchanged = await exchange(tries);
      }
      const { answer, latencyMs, retryAfterMs, facts } = exchanged;
      const { status } = answer;
      const success = status >= 200 && status < 300;
      if (!success && request.alsoFine?.includes(status) !== true) {
        const passing = status === 408 || status >= 500;
        again = { retry: status === 429 || (passing && idempotent), retryAfterMs };
        throw refusal({ ...facts, grant: tokens.grantOf(scope) }, answer, retryAfterMs);
      }
      try {
        const value = request.read(success ? parsed(answer) : undefined, status);
        return { value, status, latencyMs, throttled, tries };
      } catch (error) {
        if (!(error instanceof ShapeError)) throw error;
        again = { retry: idempotent };
        throw badAnswer(facts, answer, error.message);
      }
    }

    return retry(attempt, {
      policy: options.retry,
      signal,
      classify: () => again,
      onRetry: (error, { failedTries, delayMs }) => {
        const { message } = coerceError(error);
        const reason = error instanceof UpstreamError ? error.code : 'error';
        metrics.retried(operation, reason);
        log.debug({ operation, failedTries, delayMs, reason }, `Again after: ${message}`);
      },
      now: () => now() - waitedMs,
      ...(options.sleep === undefined ? {} : { sleep: options.sleep }),
      ...(options.random === undefined ? {} : { random: options.random }),
    });
  }

  async function open(stream: GenesysStream): Promise<Readable> {
    const { operation, path, scope, signal } = stream;
    for (let tries = 1; ; tries += 1) {
      await turn(signal);
      const token = await tokens.get(scope, signal);
      const facts = { operation, method: 'GET', path, scope, tries, secrets: [token] };
      const headers = headersOf(token, undefined, undefined);
      const outgoing: Outgoing = { method: 'GET', url: base + path, headers, signal };
      const { answer } = await measured<Opened>(operation, async () => {
        try {
          return await http.open(outgoing, stream.silenceMs);
        } catch (error) {
          signal.throwIfAborted();
          throw noAnswer(facts, error);
        }
      });
      const isPage = headerOf(answer.headers, 'content-type')?.includes('html') === true;
      if (answer.status === 200 && !isPage) return answer.body;

      const text = await readText(answer.body, MAX_ERROR_BYTES).catch(() => '');
      signal.throwIfAborted();
      const retryAfterMs = rateLimit.observe(answer);
      if (answer.status === 401 && tries === 1) {
        tokens.invalidate(token);
        metrics.retried(operation, 'new_token');
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

function headersOf(
  token: string,
  body: string | undefined,
  traceparent: string | undefined,
): Record<string, string> {
  return {
    accept: 'application/json',
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

function parsed(answer: Received): unknown {
  if (answer.text.trim() === '') return undefined;
  try {
    return JSON.parse(answer.text);
  } catch {
    const type = headerOf(answer.headers, 'content-type') ?? 'of unknown type';
    throw new ShapeError(`its body (${type.slice(0, 80)}) is not JSON`);
  }
}
