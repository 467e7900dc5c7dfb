import { type Call, json, type Operation, type Reply, type Service } from '../operation.ts';
import type { Conversations } from './conversations.ts';
import type { Organisation } from './definitions.ts';
import { genesysError, Refusal } from './error-body.ts';
import type { EventStream } from './event-stream.ts';
import type { RateLimit } from './rate-limit.ts';
import type { Records } from './records.ts';
import type { Scope, Tokens } from './tokens.ts';

export interface GenesysServiceOptions {
  readonly tokens: Tokens;
  readonly rateLimit: RateLimit;
  readonly organisation: Organisation;
  readonly records: Records;
  readonly conversations: Conversations;
  readonly stream: EventStream;
  /** Permissions taken away from everybody; may change while the service runs. */
  readonly denied: ReadonlySet<string>;
}

/** Genesys Cloud's reference API: token, rate limit and permission are checked before each call. */
export function createGenesysService(options: GenesysServiceOptions): Service {
  const { tokens, rateLimit, organisation, records, conversations, stream, denied } = options;

  function guarded(
    name: string,
    scope: Scope | undefined,
    handle: (call: Call, scopes: ReadonlySet<string>) => Reply,
  ): Operation {
    return {
      name,
      handle(call) {
        const token = tokens.check(call.request.headers.authorization);
        if (token === undefined) return refuse({ status: 401 }, call.requestId);
        const { headers, retryAfterSeconds } = rateLimit.take();
        let reply: Reply;
        if (retryAfterSeconds !== undefined) {
          reply = tooMany(retryAfterSeconds, call.requestId);
        } else if (scope !== undefined && (!token.scopes.has(scope) || denied.has(scope))) {
          reply = missing(scope, call.requestId);
        } else {
          try {
            reply = handle(call, token.scopes);
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            reply = refuse(error.failure, call.requestId);
          }
        }
        return { ...reply, headers: { ...headers, ...reply.headers } };
      },
    };
  }

  const fixed = new Map<string, Operation>([
    [
      'GET /api/v2/customattributes',
      guarded('genesys.customattributes.list', 'customattributes:read', organisation.list),
    ],
    [
      'POST /api/v2/customattributes',
      guarded('genesys.customattributes.define', 'customattributes:write', organisation.define),
    ],
    [
      'POST /api/v2/customattributes/batch',
      guarded('genesys.customattributes.batch', 'customattributes:write', records.upsert),
    ],
    [
      'GET /api/v2/accesscontrol/roles/effectivepermissions',
      guarded('genesys.permissions', 'accesscontrol:read', (_call, scopes) =>
        json(
          Array.from(scopes, (permissionId) => ({
            permissionId,
            value: !denied.has(permissionId),
          })),
        ),
      ),
    ],
    [
      'POST /api/v2/analytics/conversations/details/query',
      guarded('genesys.analytics.query', 'analytics:read', conversations.query),
    ],
    [
      'POST /api/v2/events/subscriptions',
      guarded('genesys.subscriptions.create', 'event:subscribe', stream.create),
    ],
  ]);
  const group = guarded('genesys.groups.get', 'groups:read', organisation.group);
  const events = guarded('genesys.stream', 'event:subscribe', stream.open);
  const unknown = guarded('genesys.unknown', undefined, ({ path }) => {
    throw new Refusal(404, `HTTP 404 Not Found: ${path}`);
  });

  return {
    operations: [...fixed.values(), group, events, unknown].map(({ name }) => name),
    route(request, path) {
      if (!path.startsWith('/api/v2/')) return undefined;
      const operation = fixed.get(`${request.method} ${path}`);
      if (operation !== undefined || request.method !== 'GET') return operation ?? unknown;
      if (/^\/api\/v2\/groups\/[^/]+$/.test(path)) return group;
      return /^\/api\/v2\/events\/subscriptions\/[^/]+\/events$/.test(path) ? events : unknown;
    },
    refuse,
    headers: (requestId) => ({ 'inin-correlation-id': requestId }),
  };
}

const refuse: Service['refuse'] = genesysError;

function tooMany(seconds: number, contextId: string): Reply {
  const failure = {
    status: 429,
    code: 'too.many.requests.retry.after',
    message: `Rate limit exceeded the maximum. Retry the request in [${seconds}] seconds`,
    retryAfter: String(seconds),
  };
  return genesysError(failure, contextId);
}

function missing(permission: string, contextId: string): Reply {
  const failure = {
    status: 403,
    code: 'missing.permissions',
    message: `Unable to perform the requested action. You are missing the following permission(s): ${permission}`,
  };
  return genesysError(failure, contextId);
}
