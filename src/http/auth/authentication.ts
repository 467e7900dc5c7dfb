import type { IncomingMessage } from 'node:http';
import { ConfigError } from '../../errors.ts';
import { createHitCounter } from '../../lib/limits/hit-counter.ts';
import type { Logger } from '../../lib/logger.ts';
import { Counter, type Registry } from '../../lib/metrics.ts';
import { type Caller, headerOf, type Scheme } from '../exchange.ts';
import { addressKey } from '../limits/rate-limit.ts';
import { Problem } from '../problem.ts';
import { ROLES } from '../route.ts';
import { createApiKeys } from './api-keys.ts';
import { createJsonWebTokens, type JsonWebTokenOptions, TokenRefused } from './json-web-tokens.ts';

export interface AuthenticationOptions {
  /** `none`: anybody may do anything; else a comma list of `api-key` and `jwt`. */
  readonly mode: string;
  /** Comma list of `name:role+role:sha256hex`. */
  readonly apiKeys?: string | undefined;
  readonly jwt?: JsonWebTokenOptions | undefined;
  /** Failed attempts of one address in a minute that still get a 401; then 429. Default 30. */
  readonly failuresPerMinute?: number;
  readonly log: Logger;
  readonly registry: Registry;
  readonly now?: () => number;
}

export interface Authentication {
  /** Asked schemes, for the documents. */
  readonly schemes: readonly Scheme[];
  /** @throws Problem 401, 429, or 503 when tokens cannot be checked at the moment. */
  authenticate(request: IncomingMessage, address: string | undefined): Promise<Caller>;
  stop(): Promise<void>;
}

interface Credential {
  readonly scheme: Scheme;
  readonly value: string;
}

/**
 * Finds out who calls: an API key (`x-api-key: …`, `Authorization: ApiKey …` or `Bearer …`) or a
 * JSON Web Token (`Authorization: Bearer …`).
 *
 * Failed attempts are limited per address. A valid credential is let in even from an address
 * beyond its limit: keys cannot be guessed at any rate, and one misconfigured client behind a
 * shared proxy must not lock out the others.
 *
 * @throws ConfigError when keys or algorithms make no sense, or `mode` asks for what is not there
 */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const failuresPerMinute = options.failuresPerMinute ?? 30;
  const { apiKeys, tokens } = readOptions(options);
  const schemes: Scheme[] = [];
  if (apiKeys !== undefined) schemes.push('apiKey');
  if (tokens !== undefined) schemes.push('jwt');
  if (schemes.length === 0 && options.mode !== 'none') {
    throw new ConfigError([
      `AUTH_MODE: found ${JSON.stringify(options.mode)} and no keys that belong to it; allowed without any: none`,
    ]);
  }
  const challenge = [
    ...(apiKeys === undefined ? [] : ['ApiKey realm="interaction-bridge"']),
    'Bearer realm="interaction-bridge"',
  ].join(', ');
  const counter = createHitCounter(options.now);
  const failures = new Counter({
    name: 'bridge_auth_failures_total',
    help: 'Requests without valid credentials, by reason',
    labelNames: ['reason'],
    registers: [options.registry],
  });
  const everybody: Caller = { roles: new Set(ROLES) };

  function refuse(reason: string, detail: string, address: string | undefined): Problem {
    failures.inc({ reason });
    const { hits, endsMs } = counter.hit(addressKey(address));
    if (hits === failuresPerMinute + 1) {
      options.log.warn({ remoteAddress: address }, 'Too many failed attempts from this address');
    }
    if (hits > failuresPerMinute) {
      const waitSeconds = Math.max(1, Math.ceil((endsMs - (options.now ?? Date.now)()) / 1000));
      return new Problem(429, 'too_many_failures', 'Too many failed attempts from this address.', {
        // Other credentials would help even now.
        headers: { 'retry-after': String(waitSeconds), 'www-authenticate': challenge },
      });
    }
    const error = reason === 'no_credentials' ? '' : ', error="invalid_token"';
    return new Problem(401, 'unauthorized', detail, {
      headers: { 'www-authenticate': `${challenge}${error}` },
    });
  }

  async function callerOfToken(token: string, address: string | undefined): Promise<Caller> {
    if (tokens === undefined) throw new Error('No tokens are taken');
    try {
      return { ...(await tokens.verify(token)), scheme: 'jwt' };
    } catch (error) {
      if (error instanceof TokenRefused) {
        const { cause } = error;
        const reason = cause instanceof Error ? cause.message : String(cause);
        options.log.debug(
          { remoteAddress: address, refusal: error.refusal, reason },
          'Refused a token',
        );
        const why = error.refusal.replace('_', ' ');
        throw refuse(`token_${error.refusal}`, `The token was not accepted: ${why}.`, address);
      }
      throw new Problem(503, 'issuer_unavailable', 'Tokens cannot be checked at the moment.', {
        headers: { 'retry-after': '5' },
        cause: error,
      });
    }
  }

  return {
    schemes,
    async authenticate(request, address) {
      if (schemes.length === 0) return everybody;
      const credential = credentialOf(request, schemes);
      if (credential === undefined) {
        throw refuse('no_credentials', `Credentials are missing. ${howTo(schemes)}`, address);
      }
      if (credential.scheme === 'jwt') return callerOfToken(credential.value, address);
      const caller = apiKeys?.find(credential.value);
      if (caller === undefined) throw refuse('unknown_key', 'The API key is not known.', address);
      return { ...caller, scheme: 'apiKey' };
    },
    stop: async () => tokens?.stop(),
  };
}

function readOptions({ mode, apiKeys, jwt }: AuthenticationOptions) {
  const modes = mode.split(',');
  const asksForKeys = modes.includes('api-key') && apiKeys !== undefined;
  const asksForTokens = modes.includes('jwt') && jwt !== undefined;
  try {
    return {
      apiKeys: asksForKeys ? createApiKeys(apiKeys) : undefined,
      tokens: asksForTokens ? createJsonWebTokens(jwt) : undefined,
    };
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)], {
      cause: error,
    });
  }
}

function credentialOf(
  request: IncomingMessage,
  schemes: readonly Scheme[],
): Credential | undefined {
  const takesKeys = schemes.includes('apiKey');
  const key = headerOf(request, 'x-api-key');
  if (takesKeys && key !== undefined && key !== '') return { scheme: 'apiKey', value: key };

  const match = /^(?<name>apikey|bearer) +(?<value>[^ ]+) *$/i.exec(
    headerOf(request, 'authorization') ?? '',
  )?.groups;
  const value = match?.['value'];
  if (value === undefined) return undefined;
  const isBearer = match?.['name']?.toLowerCase() === 'bearer';
  // A token has three parts; an API key has no dot.
  if (isBearer && schemes.includes('jwt') && (!takesKeys || value.split('.', 4).length === 3)) {
    return { scheme: 'jwt', value };
  }
  return takesKeys ? { scheme: 'apiKey', value } : undefined;
}

function howTo(schemes: readonly Scheme[]): string {
  const ways = { apiKey: '"x-api-key: <API key>"', jwt: '"Authorization: Bearer <token>"' };
  return `Send the header ${schemes.map((scheme) => ways[scheme]).join(' or ')}.`;
}
