import { UpstreamError } from '../errors.ts';
import type { Turnstile } from '../lib/limits/turnstile.ts';
import type { Logger } from '../lib/logger.ts';
import type { ClientMetrics } from './client-metrics.ts';
import { type CallFacts, noAnswer } from './failures.ts';
import type { Method, Outgoing, Received } from './http.ts';
import type { RateLimit } from './rate-limit.ts';
import type { Scope } from './scopes.ts';
import type { TokenCache } from './tokens/token-cache.ts';
import type { Urgency } from './urgency.ts';

export interface ExchangeOptions {
  /** API base, without a slash at the end. */
  readonly base: string;
  readonly tokens: TokenCache;
  readonly turnstile: Turnstile<Urgency>;
  /** On whose behalf calls are made right now. */
  readonly caller: () => string;
  readonly rateLimit: RateLimit;
  readonly metrics: ClientMetrics;
  readonly log: Pick<Logger, 'debug'>;
  readonly now: () => number;
}

/** What is asked of Genesys, whatever becomes of it. */
export interface Target {
  /** Stable name of the operation, in metrics and messages. */
  readonly operation: string;
  /** With its parameters encoded, without the query. */
  readonly path: string;
  readonly scope: Scope;
  readonly urgency: Urgency;
}

interface Question extends Target {
  readonly method: Method;
  /** With its question mark; may be empty. */
  readonly query: string;
  readonly body?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** The number of this try, from 1, for messages. */
  readonly tries: number;
}

export interface Exchanged<A> {
  readonly answer: A;
  /** Without the wait for its turn, in milliseconds. */
  readonly latencyMs: number;
  /** What the answer asks a refused call to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly token: string;
  readonly facts: CallFacts & { readonly scope: Scope };
}

type Heard = Pick<Received, 'status' | 'headers'>;

/** The parts of one try that calls and streams have in common. */
export interface Exchange {
  /**
   * Waits for its turn under the rate limit, then one request with a token, measured; what its answer
   * says of the rate limit is followed.
   *
   * @param onTurn gets how long the wait took, in milliseconds.
   * @throws what the token cache threw, or what `noAnswer` makes of no answer.
   */
  send<A extends Heard>(
    question: Question,
    send: (outgoing: Outgoing) => Promise<A>,
    onTurn?: (waitedMs: number) => void,
  ): Promise<Exchanged<A>>;
}

export function createExchange(options: ExchangeOptions): Exchange {
  const { base, tokens, turnstile, rateLimit, metrics, log, now } = options;
  let inFlight = 0;

  /** Counts the exchange, also when it fails or is cut off. */
  async function measured<A extends Heard>(
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
      const tookMs = now() - startedMs;
      metrics.exchanged(operation, status, tookMs / 1000);
      log.debug({ operation, status, tookMs }, 'Genesys call');
    }
  }

  return {
    async send(question, send, onTurn) {
      const { operation, method, path, scope, body, signal, tries, urgency } = question;
      const askedMs = now();
      const leave = await turnstile.enter({ class: urgency, caller: options.caller() }, signal);
      const waitedMs = now() - askedMs;
      metrics.waited(waitedMs / 1000);
      onTurn?.(waitedMs);
      inFlight += 1;
      try {
        const token = await tokens.get(scope, signal);
        const facts = { operation, method, path, scope, tries, secrets: [token] };
        const outgoing: Outgoing = {
          method,
          url: base + path + question.query,
          headers: headersOf(token, body, question.traceparent),
          body,
          signal,
        };
        const sentMs = now();
        const { answer, latencyMs } = await measured(operation, async () => {
          try {
            return await send(outgoing);
          } catch (error) {
            signal?.throwIfAborted();
            throw noAnswer(facts, error);
          }
        });
        const retryAfterMs = rateLimit.observe(answer, { sentMs, inFlight: inFlight - 1 });
        return { answer, latencyMs, retryAfterMs, token, facts };
      } finally {
        inFlight -= 1;
        leave();
      }
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
