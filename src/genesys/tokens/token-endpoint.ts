import { UpstreamError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { parseRetryAfter } from '../../lib/retry.ts';
import {
  badAnswer,
  type CallFacts,
  correlationIdOf,
  noAnswer,
  readErrorBody,
  where,
} from '../failures.ts';
import { firstHeader, type Http, type Received } from '../http.ts';
import { CLIENT_CREDENTIALS_SCOPES, GRANT_SETTINGS, type GrantName } from '../scopes.ts';
import { optionalText, record, ShapeError, text } from '../shape.ts';
import type { Grant } from './grants.ts';

export interface TokenEndpointOptions {
  readonly http: Http;
  readonly url: string;
  /** A wrong region is answered as wrong credentials are, which the error has to say. */
  readonly isPlatform: boolean;
  readonly log: Logger;
  readonly now: () => number;
}

interface IssuedToken {
  readonly value: string;
  /** When it was asked for (epoch, milliseconds): its life is counted from there. */
  readonly askedMs: number;
  readonly lifeMs: number;
}

/** Asks for one token, once. `tries` is the number of this try, for messages. */
export type AskForToken = (
  grant: Grant,
  tries: number,
  signal: AbortSignal,
) => Promise<IssuedToken>;

/**
 * Of a token whose answer does not say it, which RFC 6749 §5.1 allows; far below the day that Genesys
 * gives by default. One that ends earlier is refused with a 401, and replaced.
 */
const DEFAULT_LIFE_SECONDS = 3600;

export const TOKEN_PATH = '/oauth/token';

export function createTokenEndpoint(options: TokenEndpointOptions): AskForToken {
  const { http, url, log, now } = options;
  return async (grant, tries, signal) => {
    const askedMs = now();
    const { form, authorization, secrets } = grant.request(askedMs);
    const call: CallFacts = {
      operation: `token_${grant.name}`,
      method: 'POST',
      path: TOKEN_PATH,
      tries,
      secrets,
    };
    const headers = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(authorization === undefined ? {} : { authorization }),
    };
    const body = new URLSearchParams(form).toString();
    const answer = await http
      .send({ method: 'POST', url, headers, body, signal })
      .catch((error: unknown) => {
        signal.throwIfAborted();
        throw noAnswer(call, error);
      });
    if (answer.status !== 200) {
      throw tokenRefusal(call, grant.name, answer, now(), options.isPlatform ? url : undefined);
    }
    const token = readToken(call, answer, askedMs);
    const facts = { grant: grant.name, correlationId: correlationIdOf(answer) };
    log.info({ ...facts, lifeSeconds: token.lifeMs / 1000 }, 'Genesys token obtained');
    return token;
  };
}

function readToken(call: CallFacts, answer: Received, askedMs: number): IssuedToken {
  try {
    const body = record(JSON.parse(answer.text), 'the answer');
    const value = text(body['access_token'], 'access_token');
    // What is no header value would fail later, in every call.
    if (!/^[\x21-\x7e]+$/.test(value)) throw new ShapeError('access_token is no bearer token');
    const type = optionalText(body['token_type'], 'token_type') ?? 'bearer';
    if (type.toLowerCase() !== 'bearer') throw new ShapeError('token_type is not bearer');
    const lifeMs = Number(body['expires_in'] ?? DEFAULT_LIFE_SECONDS) * 1000;
    if (!(lifeMs > 0)) throw new ShapeError('expires_in is not a positive number of seconds');
    return { value, askedMs, lifeMs };
  } catch (error) {
    // A parser's message may quote the body, which may hold a token.
    const problem = error instanceof ShapeError ? error.message : 'the body is not JSON';
    throw badAnswer(call, answer, problem);
  }
}

/** 4xx: the credentials are refused, and the endpoint's own words say why; the rest may pass. */
function tokenRefusal(
  call: CallFacts,
  grant: GrantName,
  answer: Received,
  nowMs: number,
  regionalUrl: string | undefined,
): UpstreamError {
  const body = readErrorBody(answer.text, call.secrets);
  const said = [body.code, body.message].filter((part) => part !== undefined).join(': ');
  const at = `${where(call)} was answered ${answer.status}${said === '' ? '' : ` (${said})`}`;
  const facts = {
    service: 'genesys',
    status: answer.status,
    correlationId: correlationIdOf(answer, body),
    tries: call.tries,
    details: { grant, genesysCode: body.code },
  } as const;
  if (answer.status === 429 || answer.status === 408 || answer.status >= 500) {
    return new UpstreamError(`${at}; tried ${call.tries} times.`, {
      ...facts,
      code: answer.status === 429 ? 'genesys_rate_limited' : 'genesys_unavailable',
      kind: 'retry',
      retryAfterMs: parseRetryAfter(firstHeader(answer.headers, 'retry-after'), nowMs),
    });
  }
  const check =
    answer.status >= 400 && answer.status !== 404
      ? credentialToCheck(grant, body.code ?? '', body.message ?? '')
      : regionalUrl === undefined
        ? 'GENESYS_BASE_URL: this is no token endpoint'
        : 'GENESYS_LOGIN_URL: this is no token endpoint';
  const region =
    regionalUrl === undefined
      ? ''
      : `, and that the organisation is in the region of ${new URL(regionalUrl).host} (GENESYS_REGION): another region answers just like this`;
  return new UpstreamError(`${at}; check ${check}${region}.`, {
    ...facts,
    code: 'genesys_credentials_refused',
    kind: 'systemic',
  });
}

function credentialToCheck(grant: GrantName, error: string, description: string): string {
  const { clientId, all } = GRANT_SETTINGS[grant];
  const admin = 'Genesys Cloud Admin > Integrations > OAuth';
  switch (error) {
    case 'unauthorized_client':
    case 'unsupported_grant_type':
      return `that the OAuth client in ${clientId} allows the grant ${grant} (${admin})`;
    case 'invalid_scope':
      return `that the OAuth client in ${clientId} has the scopes ${CLIENT_CREDENTIALS_SCOPES.join(', ')} (${admin})`;
    default:
      return grant === 'jwt_bearer'
        ? partOfAssertion(error, description)
        : /secret/i.test(description)
          ? 'GENESYS_CLIENT_SECRET'
          : all;
  }
}

function partOfAssertion(error: string, description: string): string {
  if (/subject|\bsub\b|\buser\b/i.test(description)) return 'OAUTH_SUBJECT';
  if (/expired|\biat\b|\bexp\b|clock/i.test(description)) {
    return 'the clock of this machine, then OAUTH_PRIVATE_KEY';
  }
  if (/signature|\bkey\b/i.test(description)) {
    return 'OAUTH_PRIVATE_KEY, whose public half the OAuth client must have';
  }
  if (error === 'invalid_client') return 'OAUTH_CLIENT_ID';
  return error === 'invalid_grant'
    ? 'OAUTH_PRIVATE_KEY and OAUTH_SUBJECT'
    : GRANT_SETTINGS.jwt_bearer.all;
}
