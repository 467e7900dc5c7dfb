import { type KeyObject, randomBytes } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { type Call, json, type Operation, type Reply, type Service } from '../operation.ts';

/** Everything that can be granted. */
export const SCOPES = [
  'customattributes:read',
  'customattributes:write',
  'analytics:read',
  'groups:read',
  'accesscontrol:read',
  'event:subscribe',
  'analytics:events:read',
] as const;

export type Scope = (typeof SCOPES)[number];

export interface TokenClient {
  readonly clientId: string;
  /** What its tokens may do: as in Genesys, the client's roles decide, not what it asks for. */
  readonly scopes: readonly Scope[];
}

export interface TokensOptions {
  readonly clientCredentials: TokenClient & { readonly secret: string };
  readonly jwtBearer: TokenClient & { readonly subject: string; readonly publicKey: KeyObject };
  /** `expires_in`. */
  readonly tokenLifeSeconds: number;
}

interface Token {
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  readonly expiresAt: number;
}

export interface Tokens {
  readonly service: Service;
  /** The token of an `Authorization` header, when it is valid now. */
  check(authorization: string | undefined): Token | undefined;
  /** All tokens handed out so far are worth nothing from now on. */
  revokeAll(): void;
  /** Tokens handed out so far. */
  issued(): number;
}

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const MAX_ASSERTION_SECONDS = 300;

/** `POST /oauth/token` for both grants, with everything checked that a real one checks. */
export function createTokens(options: TokensOptions): Tokens {
  const { clientCredentials, jwtBearer } = options;
  const tokens = new Map<string, Token>();
  /** Assertions seen, until they expire by themselves (epoch seconds). */
  const usedAssertions = new Map<string, number>();
  let issued = 0;

  function issue(client: TokenClient): Reply {
    const now = Date.now();
    for (const [value, { expiresAt }] of tokens) if (expiresAt <= now) tokens.delete(value);
    const value = randomBytes(32).toString('base64url');
    const life = options.tokenLifeSeconds;
    tokens.set(value, {
      clientId: client.clientId,
      scopes: new Set(client.scopes),
      expiresAt: now + life * 1000,
    });
    issued += 1;
    return json({ access_token: value, expires_in: life, token_type: 'bearer' });
  }

  function byClientCredentials(call: Call, form: URLSearchParams): Reply {
    const { authorization = '' } = call.request.headers;
    const [scheme = '', encoded = ''] = authorization.split(' ');
    const given = Buffer.from(encoded, 'base64').toString('utf8');
    if (
      scheme.toLowerCase() !== 'basic' ||
      given !== `${clientCredentials.clientId}:${clientCredentials.secret}`
    ) {
      return refuse('invalid_client', 'client id or secret is wrong', 401);
    }
    for (const scope of form.get('scope')?.split(' ') ?? []) {
      if (scope !== '' && !clientCredentials.scopes.some((granted) => granted === scope)) {
        return refuse('invalid_scope', `the client has not been granted ${scope}`);
      }
    }
    return issue(clientCredentials);
  }

  function byAssertion(call: Call, form: URLSearchParams): Reply {
    if (form.get('client_id') !== jwtBearer.clientId) {
      return refuse('invalid_client', 'client_id is unknown', 401);
    }
    const here = `${call.request.headers.host}${call.path}`;
    let claims: jwt.JwtPayload;
    try {
      const verified = jwt.verify(form.get('assertion') ?? '', jwtBearer.publicKey, {
        algorithms: [jwtBearer.publicKey.asymmetricKeyType === 'ec' ? 'ES256' : 'RS256'],
        // The token URL, as the caller knows it: TLS may end before us.
        audience: [`http://${here}`, `https://${here}`],
        issuer: jwtBearer.clientId,
        subject: jwtBearer.subject,
      });
      if (typeof verified === 'string') return refuse('invalid_grant', 'claims are missing');
      claims = verified;
    } catch (error) {
      return refuse('invalid_grant', error instanceof Error ? error.message : 'bad assertion');
    }
    const { exp, iat, jti } = claims;
    if (exp === undefined || iat === undefined || jti === undefined) {
      return refuse('invalid_grant', 'exp, iat and jti are required');
    }
    if (exp - iat > MAX_ASSERTION_SECONDS) {
      return refuse('invalid_grant', `exp is more than ${MAX_ASSERTION_SECONDS} s after iat`);
    }
    const now = Date.now() / 1000;
    for (const [used, until] of usedAssertions) if (until < now) usedAssertions.delete(used);
    if (usedAssertions.has(jti)) return refuse('invalid_grant', 'jti was used before');
    usedAssertions.set(jti, exp);
    return issue(jwtBearer);
  }

  const operation: Operation = {
    name: 'genesys.token',
    handle(call) {
      const type = call.request.headers['content-type'] ?? '';
      if (!type.startsWith('application/x-www-form-urlencoded')) {
        return refuse('invalid_request', 'the body has to be form-encoded', 415);
      }
      const form = new URLSearchParams(call.body.toString('utf8'));
      const grant = form.get('grant_type');
      if (grant === 'client_credentials') return byClientCredentials(call, form);
      if (grant === JWT_BEARER) return byAssertion(call, form);
      return refuse('unsupported_grant_type', 'grant_type is not supported');
    },
  };

  return {
    service: {
      operations: [operation.name],
      route: (request, path) =>
        path === '/oauth/token' && request.method === 'POST' ? operation : undefined,
      refuse: ({ status, code, message, retryAfter }) =>
        refuse(code ?? 'server_error', message ?? 'injected failure', status, retryAfter),
      headers: (requestId) => ({ 'inin-correlation-id': requestId }),
    },
    check(authorization) {
      if (authorization === undefined || !/^bearer /i.test(authorization)) return undefined;
      const token = tokens.get(authorization.slice(7));
      return token !== undefined && token.expiresAt > Date.now() ? token : undefined;
    },
    revokeAll: () => tokens.clear(),
    issued: () => issued,
  };
}

/** The token endpoint's own error body. */
function refuse(error: string, description: string, status = 400, retryAfter?: string): Reply {
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  return json({ error, description }, status, headers);
}
