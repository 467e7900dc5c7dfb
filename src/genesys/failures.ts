import { coerceError, type FailureKind, UpstreamError } from '../errors.ts';
import { cutText } from '../lib/cut-text.ts';
import { isJsonObject, type JsonObject } from '../lib/json-object.ts';
import { isCertificateCode } from '../lib/network/certificate-code.ts';
import { ProxyFailure } from '../lib/network/proxy-failure.ts';
import { AnswerTooLarge, firstHeader, type Received, TryTimedOut } from './http.ts';
import { GRANT_SETTINGS, type GrantName, type Scope } from './scopes.ts';

/** What an error message says about the call that failed. */
export interface CallFacts {
  readonly operation: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly tries: number;
  /** Texts that must never be shown, should the other side echo them. */
  readonly secrets: readonly string[];
}

/** Genesys' error body (`message, code, status, contextId …`) or OAuth's (`error, description`). */
export interface ErrorBody {
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly contextId: string | undefined;
  readonly permissions: string | undefined;
}

const MAX_TEXT_LENGTH = 300;

/** The refusal as an error of ours; the status decides about its code and kind. */
export function refusal(
  call: CallFacts & { readonly scope: Scope; readonly grant: GrantName },
  answer: Received,
  retryAfterMs: number | undefined,
): UpstreamError {
  const body = readErrorBody(answer.text, call.secrets);
  const said = describe(body);
  const at = `${where(call)} was answered ${answer.status}${said}`;
  const correlationId = correlationIdOf(answer, body);
  const make = (code: string, kind: FailureKind, message: string, missingPermission?: string) =>
    new UpstreamError(message, {
      code,
      kind,
      service: 'genesys',
      status: answer.status,
      correlationId,
      retryAfterMs,
      missingPermission,
      tries: call.tries,
      details: { operation: call.operation, genesysCode: body.code },
    });

  const { clientId, all } = GRANT_SETTINGS[call.grant];
  switch (answer.status) {
    case 401:
      return make(
        'genesys_credentials_refused',
        'systemic',
        `${at}, with a new token too. Check ${all}, and that they belong to this Genesys region.`,
      );
    case 403: {
      const missing = body.permissions ?? call.scope;
      return make(
        'genesys_forbidden',
        'systemic',
        `${at}. Missing: ${missing} (the call needs the ${nounOf(call.scope)} ${call.scope}). ${grantAdvice(`the client in ${clientId}`)}`,
        missing,
      );
    }
    case 404:
    case 410:
      return make('genesys_not_found', 'reject', `${at}.`);
    case 429:
      return make('genesys_rate_limited', 'retry', `${at}; tried ${call.tries} times.`);
    default:
      if (answer.status >= 500 || answer.status === 408) {
        return make('genesys_unavailable', 'retry', `${at}; tried ${call.tries} times.`);
      }
      if (answer.status >= 400) return make('genesys_refused', 'reject', `${at}.`);
      return make(
        'genesys_bad_answer',
        'retry',
        `${at}, which the API does not do. Check GENESYS_BASE_URL, and proxies on the way.`,
      );
  }
}

function nounOf(scope: Scope): string {
  return scope.split(':').length === 3 && scope !== 'analytics:events:read'
    ? 'permission'
    : 'scope';
}

/** Our credentials lack a permission, as their own list of permissions says. */
export function permissionMissing(permission: string): UpstreamError {
  return new UpstreamError(
    `The Genesys credentials of this service lack the permission ${permission}. ${grantAdvice("this service's client")}`,
    {
      service: 'genesys',
      code: 'genesys_permission_missing',
      kind: 'systemic',
      status: 403,
      missingPermission: permission,
    },
  );
}

/** Who can grant a permission, and where: the end of each message about a missing one. */
function grantAdvice(client: string): string {
  return (
    `An administrator grants it in Genesys Cloud: Admin > Integrations > OAuth > ${client} (scope and roles), ` +
    'and Admin > People & Permissions > Roles / Permissions (the permission within such a role).'
  );
}

/** No complete answer came. Programming errors pass as they are. */
export function noAnswer(call: CallFacts, thrown: unknown): Error {
  const error = coerceError(thrown);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code === 'UND_ERR_INVALID_ARG' || (error instanceof TypeError && code === undefined)) {
    return error;
  }
  const options = {
    kind: 'retry',
    service: 'genesys',
    tries: call.tries,
    cause: error,
    details: { operation: call.operation },
  } as const;
  if (error instanceof AnswerTooLarge) {
    return new UpstreamError(`${where(call)} was answered with too much: ${error.message}.`, {
      ...options,
      code: 'genesys_bad_answer',
    });
  }
  if (
    error instanceof TryTimedOut ||
    /^UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT$/.test(code ?? '')
  ) {
    return new UpstreamError(
      `${where(call)} had no complete answer in time (${error.message}); tried ${call.tries} times.`,
      { ...options, code: 'genesys_timeout', timedOut: true },
    );
  }
  if (error instanceof ProxyFailure) {
    return new UpstreamError(
      `${where(call)} failed: ${error.message}; tried ${call.tries} times. Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and what the proxy lets through.`,
      {
        ...options,
        code: 'genesys_proxy',
        kind: error.code === 'PROXY_REFUSED' ? 'systemic' : 'retry',
      },
    );
  }
  if (isCertificateCode(code ?? '')) {
    return new UpstreamError(
      `${where(call)} failed: the certificate of the other side is not trusted (${code}). Name its authority in NODE_EXTRA_CA_CERTS (a file of PEM certificates), or mend GENESYS_BASE_URL, if the address is not the one that the certificate is for.`,
      { ...options, code: 'genesys_certificate', kind: 'systemic' },
    );
  }
  return new UpstreamError(
    `${where(call)} failed: no connection, or it broke (${code ?? error.message}); tried ${call.tries} times.`,
    { ...options, code: 'genesys_unavailable' },
  );
}

/** A success whose body is not what the contract says. */
export function badAnswer(call: CallFacts, answer: Received, problem: string): UpstreamError {
  return new UpstreamError(`${where(call)} was answered ${answer.status}, but ${problem}.`, {
    code: 'genesys_bad_answer',
    kind: 'retry',
    service: 'genesys',
    status: answer.status,
    correlationId: correlationIdOf(answer),
    tries: call.tries,
    details: { operation: call.operation },
  });
}

export function readErrorBody(body: string, secrets: readonly string[]): ErrorBody {
  const fields = parseRecord(body);
  const pick = (value: unknown) =>
    typeof value === 'string' && value !== '' ? presentable(value, secrets) : undefined;
  const message =
    pick(fields['message']) ?? pick(fields['error_description']) ?? pick(fields['description']);
  const params = isJsonObject(fields['messageParams']) ? fields['messageParams'] : {};
  return {
    code: pick(fields['code']) ?? pick(fields['error']),
    message,
    contextId: pick(fields['contextId']),
    permissions:
      pick(params['permissions']) ??
      /missing [^:]*permission[^:]*: ?(.+)$/i.exec(message ?? '')?.[1],
  };
}

export function correlationIdOf(
  answer: Pick<Received, 'headers' | 'text'>,
  body?: ErrorBody,
): string | undefined {
  return firstHeader(answer.headers, 'inin-correlation-id') ?? body?.contextId;
}

export function where(call: Pick<CallFacts, 'operation' | 'method' | 'path'>): string {
  return `Genesys call ${call.operation} (${call.method} ${call.path})`;
}

function describe(body: ErrorBody): string {
  const parts = [body.code, body.message].filter((part) => part !== undefined);
  return parts.length === 0 ? '' : ` (${parts.join(': ')})`;
}

/** Remote text for a message of ours: one line, bounded, and without what must not be shown. */
function presentable(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of secrets) shown = shown.replaceAll(secret, '[hidden]');
  // oxlint-disable-next-line no-control-regex
  return cutText(shown.replaceAll(/[\u0000-\u001f\u007f]+/g, ' '), MAX_TEXT_LENGTH);
}

function parseRecord(body: string): JsonObject {
  try {
    const value: unknown = JSON.parse(body);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
