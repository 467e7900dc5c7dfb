import type { IncomingMessage, ServerResponse } from 'node:http';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
} from 'express';
import helmet from 'helmet';
import { ConfigError } from '../errors.ts';
import { createTurns } from '../lib/limits/loop-turns.ts';
import type { Logger } from '../lib/logger.ts';
import type { Authentication } from './auth/authentication.ts';
import { createHeldMemory } from './body/held-memory.ts';
import { createJsonBodyReader } from './body/json-body.ts';
import { createSchemaChecks } from './body/schema-checks.ts';
import type { Exchanges } from './exchange.ts';
import { refuseForeign } from './foreign-requests.ts';
import type { HttpLimits } from './limits/http-limits.ts';
import type { LoopMonitor } from './limits/loop-monitor.ts';
import { turnAwayUnderOverload } from './limits/overload.ts';
import { addressKey, createCallerLimit } from './limits/rate-limit.ts';
import { Problem } from './problem.ts';
import { problemOf, writeProblem } from './problem-of-error.ts';
import { requireClearTarget } from './request-target.ts';
import { ROLES, type Role, type Route } from './route.ts';
import { createRouteHandler } from './route-handler.ts';
import type { HttpMetrics } from './telemetry/http-metrics.ts';
import type { Refusals } from './telemetry/refusals.ts';
import { createRequestLog, pathOf } from './telemetry/request-log.ts';

export interface ApplicationOptions {
  readonly routes: readonly Route[];
  readonly limits: HttpLimits;
  /** Express `trust proxy` as text: `false`, `true`, a number of hops, or addresses. */
  readonly trustProxy: string;
  /** Names that callers may know this service by, beside addresses and localhost. */
  readonly allowedHosts: readonly string[];
  readonly authentication: Pick<Authentication, 'authenticate' | 'schemes'>;
  readonly exchanges: Exchanges;
  readonly metrics: HttpMetrics;
  readonly loop: LoopMonitor;
  readonly refusals: Refusals;
  readonly log: Logger;
}

/**
 * The way of a request: identified and logged; not from a foreign page; probes answered; turned away under overload; then,
 * per route: who calls, how often, whether they may, what (content type, query, body), the use case, its answer.
 */
export function createApplication(options: ApplicationOptions): Express {
  const { routes, limits, exchanges, metrics } = options;
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing');
  app.set('query parser', false);
  trustProxy(app, options.trustProxy);

  const logRequest = createRequestLog(options);
  app.use((request, response, next) => {
    metrics.observe(exchanges.open(request, response));
    logRequest(request, response);
    next();
  });
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
      },
      // Whoever terminates TLS decides about HSTS.
      strictTransportSecurity: false,
    }),
  );
  app.use(requireClearTarget, refuseForeign(options));

  const keyOf = (request: Request): string => {
    const { name, scheme } = exchanges.of(request).caller ?? {};
    return name === undefined ? addressKey(request.ip) : `${scheme}:${name}`;
  };
  const callerLimit = createCallerLimit({ perMinute: limits.perMinute, keyOf });
  const parts = {
    checks: createSchemaChecks(),
    // Apart from JSON, so that neither form keeps the other out.
    streams: createHeldMemory(limits.heldBodyBytes),
    bodies: createJsonBodyReader(
      {
        maxBytes: limits.bodyBytes,
        maxDepth: limits.jsonDepth,
        maxValues: limits.jsonValues,
        timeoutMs: limits.bodyTimeoutMs,
      },
      createHeldMemory(limits.heldBodyBytes),
    ),
    maxLineBytes: limits.lineBytes,
    turns: createTurns(),
    exchanges,
    callerOf: keyOf,
    rolesOfAnybody: new Set(options.authentication.schemes.length === 0 ? ROLES : []),
  };

  const enter =
    (route: Route): RequestHandler =>
    (request, _response, next) => {
      exchanges.of(request).route = route;
      next();
    };
  const authenticate =
    (route: Route): RequestHandler =>
    async (request, _response, next) => {
      if (route.role !== 'public') {
        const caller = await options.authentication.authenticate(request, request.ip);
        exchanges.of(request).caller = caller;
      }
      next();
    };
  const authorize =
    (route: Route): RequestHandler =>
    (request, _response, next) => {
      if (route.role !== 'public') {
        const allowed = [route.role, ...(route.otherRoles ?? [])];
        const roles = exchanges.of(request).caller?.roles ?? new Set();
        if (!allowed.some((role) => roles.has(role))) throw roleMissing(allowed, roles);
      }
      next();
    };
  const handler = (route: Route): RequestHandler => createRouteHandler({ ...parts, route });

  for (const route of routes.filter(({ probe }) => probe === true)) {
    app[route.method](route.path, enter(route), handler(route));
  }
  app.use(turnAwayUnderOverload(options));
  app.use(async (request, _response, next) => {
    await parts.turns(exchanges.of(request).abort.signal);
    next();
  });
  for (const route of routes.filter(({ probe }) => probe !== true)) {
    app[route.method](
      route.path,
      enter(route),
      authenticate(route),
      callerLimit,
      authorize(route),
      handler(route),
    );
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    app.all(path, callerLimit, refuseMethod(routes.filter((route) => route.path === path)));
  }
  app.use(callerLimit, () => {
    throw new Problem(
      404,
      'not_found',
      'There is nothing here. GET /openapi.json lists all routes.',
    );
  });

  const onError: ErrorRequestHandler = (error: unknown, request, response, _next) =>
    failExchange(exchanges, request, response, error);
  app.use(onError);
  return app;
}

/** Answers a failed request as a problem, whatever was thrown, and leaves it to the log. */
export function failExchange(
  exchanges: Exchanges,
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
): void {
  const problem = problemOf(thrown);
  response.err = thrown instanceof Error ? thrown : problem;
  const { requestId } = exchanges.of(request);
  writeProblem(response, problem, { instance: pathOf(request), requestId });
}

/** Answers OPTIONS, and any method that the path does not have. */
function refuseMethod(routes: readonly Route[]): RequestHandler {
  const methods = new Set(routes.map(({ method }) => method.toUpperCase()));
  if (methods.has('GET')) methods.add('HEAD');
  const allow = [...methods, 'OPTIONS'].join(', ');
  return (request, response) => {
    if (request.method === 'OPTIONS') {
      response.status(204).set('allow', allow).end();
      return;
    }
    throw new Problem(405, 'method_not_allowed', `${request.path} takes ${allow}.`, {
      headers: { allow },
    });
  };
}

function roleMissing(allowed: readonly Role[], roles: ReadonlySet<Role>): Problem {
  const has = [...roles].join(', ') || 'none';
  const needs = allowed.map((role) => `"${role}"`).join(' or ');
  return new Problem(
    403,
    'role_missing',
    `This route needs the role ${needs}; the caller's roles: ${has}.`,
    {
      headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${allowed[0]}"` },
    },
  );
}

function trustProxy(app: Express, text: string): void {
  const value = text.trim();
  try {
    if (value === 'true' || value === 'false') app.set('trust proxy', value === 'true');
    else if (/^\d+$/.test(value)) app.set('trust proxy', Number(value));
    else
      app.set(
        'trust proxy',
        value.split(',').map((part) => part.trim()),
      );
  } catch (error) {
    throw new ConfigError(
      [
        `TRUST_PROXY: found ${JSON.stringify(value)}; allowed: false, true, a number of hops, or addresses`,
      ],
      { cause: error },
    );
  }
}
