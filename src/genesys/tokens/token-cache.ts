import { UpstreamError } from '../../errors.ts';
import { abortable } from '../../lib/abortable.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Network } from '../../lib/network/outgoing-agent.ts';
import { type RetryPolicy, retry, type Sleep } from '../../lib/retry.ts';
import { createHttp, type RequestTimeouts } from '../http.ts';
import { type GrantName, grantFor, type Scope } from '../scopes.ts';
import {
  type ClientCredentials,
  createGrants,
  type Grant,
  type JwtBearerCredentials,
} from './grants.ts';
import { createTokenEndpoint, TOKEN_PATH } from './token-endpoint.ts';

export interface TokenCacheOptions {
  /** Where tokens are, for example `https://login.mypurecloud.com`. */
  readonly baseUrl: string;
  /** Genesys Cloud's published API: its tokens have no scopes, and are of one region. */
  readonly isPlatform?: boolean | undefined;
  readonly jwtBearer?: JwtBearerCredentials | undefined;
  readonly clientCredentials?: ClientCredentials | undefined;
  /** A token is renewed this long before it expires, at most half its life. */
  readonly renewalSeconds: number;
  readonly timeouts: RequestTimeouts;
  readonly network?: Network | undefined;
  readonly retry: RetryPolicy;
  readonly log: Logger;
  readonly now?: () => number;
  readonly sleep?: Sleep | undefined;
  readonly random?: (() => number) | undefined;
}

/**
 * The one token cache, for both grants: with both configured a call uses the grant its scope needs,
 * with one configured that one serves all. However many callers wait, one request is under way per
 * grant. Within `renewalSeconds` of its end a token is still handed out while its successor is
 * fetched, so that a short outage of the token endpoint goes unnoticed. Requests for tokens do not
 * wait behind the calls that need them: Genesys counts its limits per token.
 *
 * Rejects with `genesys_credentials_refused` (systemic), which says what to check, or with
 * `genesys_unavailable`, `genesys_timeout`, `genesys_rate_limited` or `genesys_bad_answer` (retry)
 * after its own retries. Failures are not kept: the next call asks again.
 */
export interface TokenCache {
  get(scope: Scope, signal?: AbortSignal): Promise<string>;
  /** Genesys refused this token. Does nothing when it was replaced meanwhile. */
  invalidate(token: string): void;
  /** Whose token such a call gets. */
  grantOf(scope: Scope): GrantName;
  /** Ends requests under way. */
  close(): Promise<void>;
}

interface Token {
  readonly value: string;
  readonly renewAtMs: number;
  readonly expiresAtMs: number;
}

export function createTokenCache(options: TokenCacheOptions): TokenCache {
  const now = options.now ?? Date.now;
  const url = options.baseUrl.replace(/\/+$/, '') + TOKEN_PATH;
  const isPlatform = options.isPlatform === true;
  const grants = createGrants(url, options.jwtBearer, options.clientCredentials, !isPlatform);
  const http = createHttp({
    timeouts: options.timeouts,
    network: options.network,
    maxConnections: 2,
    maxAnswerBytes: 65_536,
  });
  const askForToken = createTokenEndpoint({ http, url, isPlatform, log: options.log, now });
  const life = new AbortController();
  const tokens = new Map<Grant, Token>();
  const flights = new Map<Grant, Promise<Token>>();

  async function fetchToken(grant: Grant): Promise<Token> {
    try {
      const { value, askedMs, lifeMs } = await retry(
        (tries) => askForToken(grant, tries, life.signal),
        {
          policy: options.retry,
          signal: life.signal,
          classify: (error) =>
            error instanceof UpstreamError && error.kind === 'retry'
              ? { retry: true, retryAfterMs: error.retryAfterMs }
              : { retry: false },
          now,
          sleep: options.sleep,
          random: options.random,
        },
      );
      const expiresAtMs = askedMs + lifeMs;
      const aheadMs = Math.min(options.renewalSeconds * 1000, lifeMs / 2);
      const token = { value, renewAtMs: expiresAtMs - aheadMs, expiresAtMs };
      tokens.set(grant, token);
      return token;
    } catch (error) {
      if (!life.signal.aborted) {
        options.log.warn({ err: error, grant: grant.name }, 'No Genesys token could be obtained');
      }
      throw error;
    }
  }

  function renew(grant: Grant): Promise<Token> {
    const flying = flights.get(grant);
    if (flying !== undefined) return flying;
    const flight = fetchToken(grant).finally(() => flights.delete(grant));
    flights.set(grant, flight);
    // It may outlive all who wait for it.
    flight.catch(() => undefined);
    return flight;
  }

  function renewAhead(grant: Grant, token: Token): void {
    renew(grant).catch(() => {
      if (tokens.get(grant) !== token) return;
      // Not again at every call, but after half of the remaining life.
      const pauseMs = Math.max(1000, (token.expiresAtMs - now()) / 2);
      tokens.set(grant, { ...token, renewAtMs: now() + pauseMs });
    });
  }

  return {
    async get(scope, signal) {
      signal?.throwIfAborted();
      const grant = grants[grantFor(scope)];
      const token = tokens.get(grant);
      if (token !== undefined && now() < token.expiresAtMs) {
        if (now() >= token.renewAtMs && !flights.has(grant)) renewAhead(grant, token);
        return token.value;
      }
      return (await abortable(renew(grant), signal)).value;
    },
    invalidate(value) {
      for (const [grant, token] of tokens) if (token.value === value) tokens.delete(grant);
    },
    grantOf: (scope) => grants[grantFor(scope)].name,
    async close() {
      life.abort(new Error('The token cache was closed'));
      await http.close();
    },
  };
}
