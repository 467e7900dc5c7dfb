import { readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import type { About } from '../http/about.ts';
import { createAuthentication } from '../http/auth/authentication.ts';
import type { JsonWebTokenOptions } from '../http/auth/json-web-tokens.ts';
import type { Route } from '../http/route.ts';
import { createHttpServer } from '../http/server.ts';
import type { Logger } from '../lib/logger.ts';
import type { Config } from '../settings/load-config.ts';
import { networkOf, type Shared } from './shared.ts';

export function openHttp(
  { config, log, health, registry, releasers, roles, served }: Shared,
  routes: readonly Route[],
  status: () => object,
) {
  const authentication = createAuthentication({
    mode: config.AUTH_MODE,
    apiKeys: config.API_KEYS,
    jwt: jwtOptions(config),
    failuresPerMinute: config.AUTH_FAILURES_PER_MINUTE,
    log,
    registry,
  });
  releasers.push('authentication', () => authentication.stop());
  return createHttpServer({
    host: listenHost(config),
    port: config.PORT,
    probePort: config.PROBE_PORT,
    routes: routes.map((route) => ({
      ...route,
      handle: (call) => served.run(call, () => route.handle(call)),
    })),
    limits: {
      bodyBytes: config.HTTP_BODY_LIMIT_BYTES,
      heldBodyBytes: config.HTTP_MAX_HELD_BODY_BYTES ?? heldBodyBytes(),
      lineBytes: config.HTTP_LINE_LIMIT_BYTES,
      jsonDepth: config.HTTP_MAX_JSON_DEPTH,
      jsonValues: config.HTTP_MAX_JSON_VALUES,
      inFlight: config.HTTP_MAX_IN_FLIGHT,
      loopDelayMs: config.HTTP_MAX_LOOP_DELAY_MS,
      perMinute: config.HTTP_RATE_LIMIT_PER_MINUTE,
      headersTimeoutMs: config.HTTP_HEADERS_TIMEOUT_MS,
      bodyTimeoutMs: config.HTTP_BODY_TIMEOUT_MS,
    },
    trustProxy: config.TRUST_PROXY,
    allowedHosts: namesIn(config.ALLOWED_HOSTS),
    authentication,
    health,
    roles,
    registry,
    log,
    about: about(),
    status,
    logLevel: {
      get: () => log.level,
      set(level) {
        log.level = level;
      },
    },
  });
}

/** What is made of a body takes about as much again; most of the heap is for events and imports. */
const BODIES_SHARE = 1 / 8;

/** @param heapBytes its limit, which `--max-old-space-size` or the memory of the container sets */
export function heldBodyBytes(heapBytes = getHeapStatistics().heap_size_limit): number {
  return Math.floor(heapBytes * BODIES_SHARE);
}

/** Where nobody is asked for credentials, only this machine is let in, unless somebody says else. */
export function listenHost({ HOST, AUTH_MODE }: Pick<Config, 'HOST' | 'AUTH_MODE'>): string {
  return HOST ?? (AUTH_MODE === 'none' ? '127.0.0.1' : '0.0.0.0');
}

/** Says what is open, so that nobody finds out from others. */
export function logOpenDoors(config: Config, log: Logger): void {
  if (config.AUTH_MODE === 'none') {
    const host = listenHost(config);
    const isLocal = /^(?:127\.[\d.]+|::1|localhost)$/.test(host);
    const who = isLocal ? 'every program on this machine' : 'whoever reaches this port';
    log[isLocal ? 'info' : 'warn'](
      { host, configurationsTried: config.SIMULATE_OVERRIDES },
      `AUTH_MODE=none: ${who} may write attributes, read reports and dead letters, replay, pause the worker and change the log level`,
    );
  }
  if (config.TRUST_PROXY.trim() === 'true') {
    log.warn(
      'TRUST_PROXY=true: every caller chooses the address that failed attempts and requests are counted by; name the proxies or their number',
    );
  }
}

function namesIn(list = ''): string[] {
  return list
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}

function jwtOptions(config: Config): JsonWebTokenOptions | undefined {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWT_ALGORITHMS, JWT_ROLES_CLAIM } = config;
  const { JWT_PUBLIC_KEY: publicKey, JWT_SECRET: secret, JWT_JWKS_URL: url } = config;
  if (issuer === undefined || audience === undefined) return undefined;
  const options = {
    issuer,
    audience,
    algorithms: JWT_ALGORITHMS.split(','),
    rolesClaim: JWT_ROLES_CLAIM,
  };
  if (publicKey !== undefined) return { ...options, key: { publicKey } };
  if (secret !== undefined) return { ...options, key: { secret } };
  if (url === undefined) return undefined;
  return { ...options, key: { keySet: { url, network: networkOf(config) } } };
}

/** Name and version from package.json, which lies beside both `src` and `dist`. */
function about(): About {
  const file = new URL('../../package.json', import.meta.url);
  const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as Record<
    'name' | 'version',
    string
  >;
  return { name, version, commit: process.env['GIT_COMMIT'] };
}
