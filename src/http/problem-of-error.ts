import type { ServerResponse } from 'node:http';
import { BridgeError, BusyError, UpstreamError } from '../errors.ts';
import { cutText } from '../lib/cut-text.ts';
import { STATUS_CODES } from '../lib/node-http.ts';
import { Problem } from './problem.ts';

const DEFAULT_RETRY_AFTER_SECONDS = 5;

/**
 * Whatever was thrown below a route, as the problem that the caller gets. The only place that
 * decides this. What nobody expected becomes a 500 that says nothing but the request's id.
 */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof UpstreamError) return problemOfUpstream(thrown);
  if (thrown instanceof BridgeError) return problemOfBridge(thrown);
  // The router marks its own one; any other is a bug of ours.
  if (thrown instanceof URIError && 'status' in thrown) {
    return new Problem(400, 'bad_request', 'The path has an escape that cannot be decoded.');
  }
  const refused = refusedByExpress(thrown);
  if (refused !== undefined) return refused;
  return new Problem(
    500,
    'internal_error',
    'Something unexpected went wrong. The log has the cause under this request id.',
    { cause: thrown },
  );
}

function problemOfUpstream(error: UpstreamError): Problem {
  const members = {
    service: error.service,
    upstreamStatus: error.status,
    correlationId: error.correlationId,
    missingPermission: error.missingPermission,
  };
  const problem = (status: number, code = error.code, headers = {}): Problem =>
    new Problem(status, code, error.message, { cause: error, headers, members });

  if (error.service === 'genesys' && error.missingPermission !== undefined) {
    return problem(403, 'genesys_permission_missing');
  }
  if (error.kind !== 'retry') return problem(502);
  if (error.throttled || error.retryAfterMs !== undefined) {
    return problem(503, error.code, retryAfter(error.retryAfterMs));
  }
  return problem(error.timedOut ? 504 : 502);
}

function problemOfBridge(error: BridgeError): Problem {
  const options = { cause: error, members: { ...error.details } };
  if (error instanceof BusyError) {
    const status = error.isCallers ? 429 : 503;
    return new Problem(status, error.code, error.message, { ...options, headers: retryAfter() });
  }
  switch (error.kind) {
    case 'reject':
      return new Problem(422, error.code, error.message, options);
    case 'retry':
    case 'systemic':
      return new Problem(503, error.code, error.message, { ...options, headers: retryAfter() });
  }
}

function retryAfter(ms = DEFAULT_RETRY_AFTER_SECONDS * 1000): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) };
}

/** Express and its parts mark what the caller did wrong: a 4xx `status` that may be exposed. */
function refusedByExpress(thrown: unknown): Problem | undefined {
  if (!(thrown instanceof Error) || !('status' in thrown) || !('expose' in thrown))
    return undefined;
  const { status, expose, message } = thrown;
  if (typeof status !== 'number' || status < 400 || status > 499 || expose !== true) {
    return undefined;
  }
  return new Problem(status, 'bad_request', `The request was refused: ${message}.`);
}

/**
 * The body to be written as JSON, which leaves out what is undefined. The members that the problem
 * type does not allow others to overwrite come last.
 */
export function problemBody(
  problem: Problem,
  facts: { instance?: string | undefined; requestId?: string | undefined } = {},
): Record<string, unknown> {
  return {
    ...problem.members,
    type: `urn:interaction-bridge:problem:${problem.code}`,
    title: STATUS_CODES[problem.status] ?? 'Client Closed Request',
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    ...facts,
    errors: problem.errors.length === 0 ? undefined : problem.errors,
  };
}

/**
 * Writes the problem, or cuts the connection when an answer has already begun, so that the caller
 * cannot take half an answer for a whole one.
 */
export function writeProblem(
  response: ServerResponse,
  problem: Problem,
  facts: { instance: string; requestId: string },
): void {
  if (response.destroyed || response.writableEnded) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const text = JSON.stringify(problemBody(problem, facts));
  for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
  response.statusCode = problem.status;
  response.setHeader('content-type', 'application/problem+json; charset=utf-8');
  response.setHeader('content-length', Buffer.byteLength(text));
  response.end(text);
}

/** An error as a log line may show it: what, not what was in the payload. */
export function describeError(thrown: unknown): Record<string, unknown> {
  const problem = problemOf(thrown);
  const error = problem.status === 500 ? (problem.cause ?? problem) : (thrown ?? problem);
  if (!(error instanceof Error)) return { code: problem.code, message: problem.message };
  const upstream = error instanceof UpstreamError ? error : undefined;
  return {
    type: error.name,
    code: problem.code,
    message: problem.errors.length === 0 ? error.message : placesOf(problem),
    stack: problem.status === 500 ? error.stack : undefined,
    service: upstream?.service,
    status: upstream?.status,
    correlationId: upstream?.correlationId,
    cause: error.cause instanceof Error ? describeCause(error.cause) : undefined,
  };
}

/** What is wrong with a request may quote it; where it is wrong does not. */
function placesOf({ errors }: Problem): string {
  const places = errors.slice(0, 10).map(({ where }) => where);
  return `Wrong at: ${places.join(', ')}${errors.length > places.length ? ', …' : ''}`;
}

function describeCause(cause: Error): string {
  return cutText(`${cause.name}: ${cause.message}`, 500);
}
