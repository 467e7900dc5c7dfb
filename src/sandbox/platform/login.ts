import { randomBytes } from 'node:crypto';
import { type Call, json, type Operation, type Reply, type Service } from '../operation.ts';

/** An OAuth client with the grant Client Credentials; its roles decide, and it may change meanwhile. */
export interface PlatformClient {
  readonly clientId: string;
  readonly secret: string;
  /** Permissions that it has not; all others it has. */
  readonly denied: Set<string>;
  /** Permissions that it has in these divisions only. */
  readonly divisions: Map<string, ReadonlySet<string>>;
}

export interface PlatformToken {
  readonly value: string;
  readonly client: PlatformClient;
  readonly expiresAt: number;
}

export interface Login {
  readonly service: Service;
  /** The client that the environment names. */
  readonly client: PlatformClient;
  addClient(clientId: string, secret: string): PlatformClient;
  /** The token of an `Authorization` header, when it is valid now. */
  check(authorization: string | undefined): PlatformToken | undefined;
  revokeAll(): void;
  /** Tokens handed out so far. */
  issued(): number;
  /** Status of a refusal: both have been seen. */
  refusalStatus: 400 | 401;
  lifeSeconds: number;
}

/** Where the login host's paths are: at another address than the API's, as in Genesys. */
export const LOGIN_PATH = '/login';

/** `POST /login/oauth/token`: client credentials and nothing else. A wrong region looks like wrong credentials. */
export function createLogin(options: {
  readonly clientId: string;
  readonly secret: string;
  readonly tokenLifeSeconds: number;
}): Login {
  const clients = new Map<string, PlatformClient>();
  const tokens = new Map<string, PlatformToken>();
  let issued = 0;

  function addClient(clientId: string, secret: string): PlatformClient {
    const client = { clientId, secret, denied: new Set<string>(), divisions: new Map() };
    clients.set(clientId, client);
    return client;
  }
  const client = addClient(options.clientId, options.secret);

  const operation: Operation = {
    name: 'genesys.token',
    handle(call) {
      const type = call.request.headers['content-type'] ?? '';
      if (!type.startsWith('application/x-www-form-urlencoded')) {
        return refuse('invalid_request', 'the body has to be form-encoded', 400);
      }
      const form = new URLSearchParams(call.body.toString('utf8'));
      if (form.get('grant_type') !== 'client_credentials') {
        return refuse('unsupported_grant_type', 'grant_type is not supported', 400);
      }
      const found = clientOf(call);
      if (found === undefined) {
        return refuse('invalid_client', 'authentication failed', login.refusalStatus);
      }
      const now = Date.now();
      for (const [value, { expiresAt }] of tokens) if (expiresAt <= now) tokens.delete(value);
      const value = randomBytes(32).toString('base64url');
      tokens.set(value, { value, client: found, expiresAt: now + login.lifeSeconds * 1000 });
      issued += 1;
      return json({ access_token: value, token_type: 'bearer', expires_in: login.lifeSeconds });
    },
  };

  function clientOf(call: Call): PlatformClient | undefined {
    const [scheme = '', encoded = ''] = (call.request.headers.authorization ?? '').split(' ');
    const [id = '', secret] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
    const found = clients.get(id);
    return scheme.toLowerCase() === 'basic' && found?.secret === secret ? found : undefined;
  }

  const login: Login = {
    service: {
      operations: [operation.name],
      route: (request, path) =>
        path === `${LOGIN_PATH}/oauth/token` && request.method === 'POST' ? operation : undefined,
      refuse: ({ status, code, message, retryAfter }) =>
        refuse(code ?? 'server_error', message ?? 'injected failure', status, retryAfter),
      headers: (requestId) => ({ 'inin-correlation-id': requestId }),
    },
    client,
    addClient,
    check(authorization) {
      if (authorization === undefined || !/^bearer /i.test(authorization)) return undefined;
      const token = tokens.get(authorization.slice(7));
      return token !== undefined && token.expiresAt > Date.now() ? token : undefined;
    },
    revokeAll: () => tokens.clear(),
    issued: () => issued,
    refusalStatus: 400,
    lifeSeconds: options.tokenLifeSeconds,
  };
  return login;
}

/** The login host's own error body, as clients have seen it. */
function refuse(error: string, description: string, status: number, retryAfter?: string): Reply {
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  return json({ error, description, error_description: description }, status, headers);
}
