import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { Request, RequestHandler, Response } from 'express';
import type { Turns } from '../lib/limits/loop-turns.ts';
import type { HeldMemory } from './body/held-memory.ts';
import type { JsonBody, JsonBodyReader } from './body/json-body.ts';
import type { SchemaChecks } from './body/schema-checks.ts';
import { STREAM_BYTES, streamedBody } from './body/streamed-body.ts';
import { type Exchanges, hasBody, headerOf } from './exchange.ts';
import { Problem } from './problem.ts';
import type { Answer, Role, Route } from './route.ts';

/**
 * The Express handler of one route: checks content type, query and body, calls the use case,
 * writes its answer. Schemas are compiled here, once.
 */
export function createRouteHandler(options: {
  route: Route;
  checks: SchemaChecks;
  /** What all streams may take of it. */
  streams: HeldMemory;
  bodies: JsonBodyReader;
  maxLineBytes: number;
  turns: Turns;
  exchanges: Exchanges;
  /** Whom limits count: who the credentials name, or the address. */
  callerOf: (request: Request) => string;
  /** Of a caller who is not asked for credentials. */
  rolesOfAnybody: ReadonlySet<Role>;
}): RequestHandler {
  const { route, bodies, exchanges } = options;
  const checkQuery = options.checks.query(route.query);
  const { streams = [] } = route;
  const checkBody = route.body === undefined ? undefined : options.checks.body(route.body, streams);
  const accepted = [...(checkBody === undefined ? [] : [JSON_TYPE]), ...streams];

  /** A JSON body, or the stream that the handler reads itself, or neither. */
  async function receive(request: Request, response: Response): Promise<Received> {
    if (hasBody(request)) {
      if (accepted.length === 0) {
        throw new Problem(400, 'body_not_expected', 'This route takes no body.');
      }
      const type = acceptedType(request, accepted);
      if (type !== JSON_TYPE || checkBody === undefined) {
        const exchange = exchanges.of(request);
        const held = options.streams.open(response);
        held.take(STREAM_BYTES);
        exchange.streaming = true;
        askForBody(request, response);
        if (route.bodyOptional === true || (await hasBegun(request, exchange.abort.signal))) {
          const { turns, maxLineBytes } = options;
          const { abort } = exchange;
          return { stream: streamedBody(request, { turns, abort, held, maxLineBytes }) };
        }
        throw bodyMissing();
      }
      const onWanted = () => askForBody(request, response);
      const json = await bodies.read(request, response, { onWanted, streams });
      if (json.bytes > 0) return { json };
    }
    if (checkBody === undefined || route.bodyOptional === true) {
      // A stream of no bytes is one as well: an empty file.
      const isStream = streams.includes(contentType(request)[0] ?? '');
      return isStream ? { stream: Readable.from([]) } : {};
    }
    throw bodyMissing();
  }

  function bodyMissing(): Problem {
    return new Problem(
      400,
      'body_missing',
      `The body is empty; this route needs one of type ${accepted.join(' or ')}.`,
    );
  }

  return async (request, response) => {
    const exchange = exchanges.of(request);
    const { signal } = exchange.abort;
    const search = request.originalUrl.split('?').slice(1).join('?');
    const query = checkQuery(new URLSearchParams(search));
    const { json, stream } = await receive(request, response);
    // While it waited for its body, others may have come.
    if (json !== undefined) await options.turns(signal);
    signal.throwIfAborted();
    const body = json?.parse();
    if (json !== undefined) checkBody?.(body, json.bytes);
    const answer = await route.handle({
      query,
      params: request.params as Record<string, string>,
      body,
      stream,
      request,
      response,
      signal,
      turn: () => options.turns(signal),
      log: request.log,
      requestId: exchange.requestId,
      traceparent: exchange.trace.traceparent,
      caller: options.callerOf(request),
      roles: exchange.caller?.roles ?? options.rolesOfAnybody,
    });
    if (answer !== undefined) writeAnswer(response, answer);
  };
}

/** Waits for the first byte of a body; false when it ends without one. */
async function hasBegun(request: Request, signal: AbortSignal): Promise<boolean> {
  while (request.readableLength === 0 && !request.complete) {
    await once(request, 'readable', { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
  }
  return request.readableLength > 0;
}

interface Received {
  readonly json?: JsonBody;
  readonly stream?: AsyncIterable<Uint8Array>;
}

const JSON_TYPE = 'application/json';

/** The media type of the body, in lower case. @throws Problem 415 that says what is allowed. */
function acceptedType(request: Request, accepted: readonly string[]): string {
  const unsupported = (detail: string, code = 'unsupported_media_type') =>
    new Problem(415, code, `${detail} Allowed: ${accepted.join(', ')}, in UTF-8, not compressed.`, {
      headers: { accept: accepted.join(', '), 'accept-encoding': 'identity' },
    });
  const [type, ...parameters] = contentType(request);
  if (type === undefined) throw unsupported('The request has a body without Content-Type.');
  if (!accepted.includes(type)) throw unsupported('This Content-Type is not accepted here.');
  for (const parameter of parameters) {
    const charset = /^charset="?([^"]*)"?$/.exec(parameter)?.[1];
    if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
      throw unsupported('This charset is not accepted.', 'unsupported_charset');
    }
  }
  const encoding = headerOf(request, 'content-encoding')?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== '' && encoding !== 'identity') {
    throw unsupported('This Content-Encoding is not accepted.', 'unsupported_encoding');
  }
  return type;
}

/** The media type and its parameters, in lower case; nothing without the header. */
function contentType(request: Request): string[] {
  const header = headerOf(request, 'content-type');
  return header?.split(';').map((part) => part.trim().toLowerCase()) ?? [];
}

/** A caller that sent `Expect: 100-continue` sends its body only now, when it is wanted. */
function askForBody(request: Request, response: Response): void {
  if (headerOf(request, 'expect') !== undefined) response.writeContinue();
}

function writeAnswer(response: Response, answer: Answer): void {
  // Whoever expired this exchange has answered already.
  if (response.headersSent || response.destroyed) return;
  response.status(answer.status);
  if (answer.headers !== undefined) response.set(answer.headers);
  if (answer.body === undefined) response.end();
  else if (typeof answer.body === 'string') response.send(answer.body);
  else response.json(answer.body);
}
