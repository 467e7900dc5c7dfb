import type { PermissionCheck } from '../attributes/definitions/permission-check.ts';
import { UpstreamError } from '../errors.ts';
import { createGenesysClient, type GenesysClient } from '../genesys/client.ts';
import { createTokenCache, type TokenCache } from '../genesys/tokens/token-cache.ts';
import { createAvailability } from '../lib/health/availability.ts';
import { startDependencyCheck } from '../lib/health/dependency-check.ts';
import { createTokenBucket } from '../lib/limits/token-bucket.ts';
import { wrongApiWarning } from '../settings/platform/settings.ts';
import { networkOf, type Shared } from './shared.ts';

const CHECK_INTERVAL_MS = 60_000;
const CHECK_RETRY = { baseMs: 500, capMs: 15_000 };

/** One token cache, one token bucket and one client for everything that calls Genesys. */
export function connectGenesys({
  config,
  log,
  registry,
  releasers,
  served,
}: Pick<Shared, 'config' | 'log' | 'registry' | 'releasers'> & {
  readonly served: Pick<Shared['served'], 'getStore'>;
}): {
  tokens: TokenCache;
  client: GenesysClient;
} {
  const timeouts = {
    connectMs: config.GENESYS_CONNECT_TIMEOUT_MS,
    headersMs: config.GENESYS_HEADERS_TIMEOUT_MS,
    bodyMs: config.GENESYS_BODY_TIMEOUT_MS,
    tryMs: config.GENESYS_TRY_TIMEOUT_MS,
  };
  const retry = {
    maxTries: config.GENESYS_MAX_TRIES,
    baseMs: config.GENESYS_RETRY_BASE_MS,
    capMs: config.GENESYS_RETRY_MAX_MS,
    budgetMs: config.GENESYS_RETRY_BUDGET_MS,
  };
  const network = networkOf(config);
  const wrongApi = wrongApiWarning(config);
  if (wrongApi !== undefined) log.warn(wrongApi);
  const { OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY, OAUTH_SUBJECT } = config;
  const { GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET } = config;
  const tokens = createTokenCache({
    baseUrl: config.GENESYS_LOGIN_URL ?? config.GENESYS_BASE_URL,
    isPlatform: config.GENESYS_API === 'platform',
    ...(OAUTH_CLIENT_ID !== undefined &&
      OAUTH_PRIVATE_KEY !== undefined &&
      OAUTH_SUBJECT !== undefined && {
        jwtBearer: {
          clientId: OAUTH_CLIENT_ID,
          privateKey: OAUTH_PRIVATE_KEY,
          subject: OAUTH_SUBJECT,
        },
      }),
    ...(GENESYS_CLIENT_ID !== undefined &&
      GENESYS_CLIENT_SECRET !== undefined && {
        clientCredentials: { clientId: GENESYS_CLIENT_ID, clientSecret: GENESYS_CLIENT_SECRET },
      }),
    renewalSeconds: config.GENESYS_TOKEN_RENEWAL_SECONDS,
    timeouts,
    network,
    retry,
    log,
  });
  releasers.push('Genesys tokens', () => tokens.close());
  const client = createGenesysClient({
    baseUrl: config.GENESYS_BASE_URL,
    tokens,
    bucket: createTokenBucket({ perMinute: config.GENESYS_REQUESTS_PER_MINUTE }),
    timeouts,
    maxConnections: config.GENESYS_MAX_CONNECTIONS,
    sharers: config.GENESYS_SHARERS,
    network,
    retry,
    registry,
    log,
    traceparent: () => served.getStore()?.traceparent,
    caller: () => served.getStore()?.caller,
  });
  releasers.push('Genesys client', () => client.close());
  return { tokens, client };
}

/** Readiness of what the credentials are good for: tokens for what this process does, our permissions. */
export function checkCredentials(
  { health, log, roles, releasers }: Shared,
  tokens: TokenCache,
  permissions: PermissionCheck | undefined,
): void {
  const common = { intervalMs: CHECK_INTERVAL_MS, retry: CHECK_RETRY };
  const scopes = { api: 'customattributes:write', reader: 'event:subscribe' } as const;
  for (const role of ['api', 'reader'] as const) {
    if (!roles.has(role)) continue;
    const token = startDependencyCheck({
      ...common,
      availability: createAvailability({
        what: `Access to Genesys for the role ${role}`,
        reporter: health.dependency('token', { role }),
        log,
      }),
      consequence: () => 'no call can be made',
      check: async (signal) => void (await tokens.get(scopes[role], signal)),
    });
    releasers.push('token check', () => token.stop());
  }
  if (permissions === undefined) return;
  const permission = startDependencyCheck({
    ...common,
    availability: createAvailability({
      what: 'Permission to write attributes',
      reporter: health.dependency('permissions', { role: 'api' }),
      log,
    }),
    consequence: () => 'records are not written',
    async check(signal) {
      await permissions.require('customattributes:write', signal);
      const mayReport = await permissions.require('analytics:read', signal).then(
        () => true,
        (error: unknown) => {
          if (error instanceof UpstreamError && error.missingPermission !== undefined) return false;
          throw error;
        },
      );
      return mayReport ? undefined : 'analytics:read is missing: GET /report will be refused';
    },
  });
  releasers.push('permission check', () => permission.stop());
}
