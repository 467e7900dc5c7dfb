import { genesysError, Refusal } from '../genesys/error-body.ts';
import type { Call, Operation, Reply, Service } from '../operation.ts';
import type { Login, PlatformToken } from './login.ts';
import type { TokenLimits } from './token-limits.ts';

export interface PlatformCall extends Call {
  /** The values of the path's `{names}`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly token: PlatformToken;
}

export interface PlatformRoute {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As Genesys publishes it: `/api/v2/routing/queues/{queueId}`. Those without names go first. */
  readonly path: string;
  /** Its name for fault rules and the request log. */
  readonly operation: string;
  /** `domain:entity:action`; none = every token may. */
  readonly permission?: string | undefined;
  readonly handle: (call: PlatformCall) => Reply;
}

/** Permission and rate limit come before each route; what a route throws as a Refusal is answered. */
export function createPlatformApi(options: {
  readonly login: Login;
  readonly limits: TokenLimits;
  readonly denied: ReadonlySet<string>;
  readonly routes: readonly PlatformRoute[];
}): Service {
  const { login, limits, denied } = options;

  function guarded(route: PlatformRoute, pattern: RegExp): Operation {
    return {
      name: route.operation,
      handle(call) {
        const token = login.check(call.request.headers.authorization);
        if (token === undefined) return genesysError({ status: 401 }, call.requestId);
        const { headers, retryAfterSeconds } = limits.take(token.value, route.operation);
        let reply: Reply;
        const { permission } = route;
        if (retryAfterSeconds !== undefined) {
          reply = tooMany(retryAfterSeconds, call.requestId, limits.saysWhen);
        } else if (
          permission !== undefined &&
          (denied.has(permission) || token.client.denied.has(permission))
        ) {
          reply = missingPermission(permission, call.requestId);
        } else {
          try {
            reply = route.handle({ ...call, params: paramsOf(pattern, call.path), token });
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            reply = genesysError(error.failure, call.requestId);
          }
        }
        return { ...reply, headers: { ...headers, ...reply.headers } };
      },
    };
  }

  const table = options.routes.map((route) => {
    const pattern = new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
    return { method: route.method, pattern, operation: guarded(route, pattern) };
  });
  const unknown = guarded(
    {
      method: 'GET',
      path: '',
      operation: 'genesys.unknown',
      handle({ path }) {
        throw new Refusal(404, `HTTP 404 Not Found: ${path}`);
      },
    },
    /^/,
  );

  return {
    operations: [...new Set([...table.map(({ operation }) => operation.name), unknown.name])],
    route(request, path) {
      if (!path.startsWith('/api/v2/')) return undefined;
      const found = table.find(
        ({ method, pattern }) => method === request.method && pattern.test(path),
      );
      return found?.operation ?? unknown;
    },
    refuse: genesysError,
    headers: (requestId) => ({ 'inin-correlation-id': requestId }),
  };
}

function paramsOf(pattern: RegExp, path: string): Readonly<Record<string, string>> {
  const groups = pattern.exec(path)?.groups ?? {};
  try {
    return Object.fromEntries(
      Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]),
    );
  } catch {
    throw new Refusal(400, 'The path is not encoded correctly.');
  }
}

function tooMany(seconds: number, contextId: string, saysWhen: boolean): Reply {
  return genesysError(
    {
      status: 429,
      code: 'too.many.requests.retry.after',
      message: `Rate limit exceeded the maximum. Retry the request in [${seconds}] seconds`,
      ...(saysWhen && { retryAfter: String(seconds) }),
    },
    contextId,
  );
}

function missingText(permission: string): string {
  return `Unable to perform the requested action. You are missing the following permission(s): ${permission}`;
}

function missingPermission(permission: string, contextId: string): Reply {
  return genesysError(
    { status: 403, code: 'missing.permissions', message: missingText(permission) },
    contextId,
  );
}
