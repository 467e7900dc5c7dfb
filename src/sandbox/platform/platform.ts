import type { Service } from '../operation.ts';
import { type Authorization, createAuthorization } from './authorization.ts';
import { createLogin, LOGIN_PATH, type Login } from './login.ts';
import { createPlatformApi, type PlatformRoute } from './routes.ts';
import { createTokenLimits, type TokenLimits } from './token-limits.ts';

export interface PlatformOptions {
  readonly secret: string;
  readonly tokenLifeSeconds: number;
  /** Requests a window and token; 0 is no limit. */
  readonly requestsPerWindow: number;
  readonly windowMs: number;
  /** Permissions that nobody has. */
  readonly denied: ReadonlySet<string>;
}

/** The look-alike of the API that Genesys publishes for every organisation. */
export interface Platform {
  readonly login: Login;
  readonly limits: TokenLimits;
  readonly authorization: Authorization;
  readonly services: readonly Service[];
  /** Every setting that makes a service use it. */
  environment(url: string): Readonly<Record<string, string>>;
}

export function createPlatform(options: PlatformOptions): Platform {
  const { denied } = options;
  const login = createLogin({ ...options, clientId: 'sandbox-client' });
  const limits = createTokenLimits(options);
  const authorization = createAuthorization(denied);
  const routes: readonly PlatformRoute[] = [...authorization.routes];

  return {
    login,
    limits,
    authorization,
    services: [createPlatformApi({ login, limits, denied, routes }), login.service],
    environment: (url) => ({
      GENESYS_API: 'platform',
      GENESYS_BASE_URL: url,
      GENESYS_LOGIN_URL: url + LOGIN_PATH,
      GENESYS_CLIENT_ID: login.client.clientId,
      GENESYS_CLIENT_SECRET: login.client.secret,
    }),
  };
}
