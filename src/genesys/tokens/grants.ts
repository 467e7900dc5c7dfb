import { ConfigError } from '../../errors.ts';
import { CLIENT_CREDENTIALS_SCOPES, type GrantName } from '../scopes.ts';
import { createAssertionSigner } from './assertion.ts';

export interface JwtBearerCredentials {
  readonly clientId: string;
  /** PEM. */
  readonly privateKey: string;
  readonly subject: string;
}

export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** One request for a token: the form, the header if any, and what of it must not be shown. */
interface TokenRequest {
  readonly form: Readonly<Record<string, string>>;
  readonly authorization?: string;
  readonly secrets: readonly string[];
}

export interface Grant {
  readonly name: GrantName;
  /** A request to send now; the JWT bearer signs a new assertion each time. */
  readonly request: (nowMs: number) => TokenRequest;
}

/**
 * The grant that stands behind each name: with one set of credentials, the same one for both.
 *
 * @throws ConfigError without credentials, or with a key that cannot sign.
 */
export function createGrants(
  tokenUrl: string,
  jwtBearer: JwtBearerCredentials | undefined,
  clientCredentials: ClientCredentials | undefined,
  asksForScopes = true,
): Readonly<Record<GrantName, Grant>> {
  const bearer = jwtBearer === undefined ? undefined : jwtBearerGrant(tokenUrl, jwtBearer);
  const client =
    clientCredentials === undefined
      ? undefined
      : clientCredentialsGrant(clientCredentials, asksForScopes);
  const either = bearer ?? client;
  if (either === undefined) {
    throw new ConfigError([
      'Genesys credentials: not set; allowed: OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY, OAUTH_SUBJECT or GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET',
    ]);
  }
  return { jwt_bearer: either, client_credentials: client ?? either };
}

function jwtBearerGrant(tokenUrl: string, credentials: JwtBearerCredentials): Grant {
  const sign = createAssertionSigner({ ...credentials, audience: tokenUrl });
  return {
    name: 'jwt_bearer',
    request(nowMs) {
      const assertion = sign(nowMs);
      return {
        form: {
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          client_id: credentials.clientId,
          assertion,
        },
        secrets: [assertion],
      };
    },
  };
}

function clientCredentialsGrant(
  { clientId, clientSecret }: ClientCredentials,
  asksForScopes: boolean,
): Grant {
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
  const request: TokenRequest = {
    form: {
      grant_type: 'client_credentials',
      ...(asksForScopes && { scope: CLIENT_CREDENTIALS_SCOPES.join(' ') }),
    },
    authorization: `Basic ${basic}`,
    secrets: [basic, clientSecret, encodeURIComponent(clientSecret)],
  };
  return { name: 'client_credentials', request: () => request };
}
