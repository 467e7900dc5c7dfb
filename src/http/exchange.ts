import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { v7 as uuidV7 } from 'uuid';
import { Problem } from './problem.ts';
import type { Role, Route } from './route.ts';
import { continueTrace, type TraceContext } from './trace-context.ts';

/** How a caller shows who it is. */
export type Scheme = 'apiKey' | 'jwt';

/** Who calls, once the credentials are checked. */
export interface Caller {
  /** The key's name or the token's subject; absent when nobody is asked. */
  readonly name?: string;
  /** A key and a token of the same name are two callers. */
  readonly scheme?: Scheme;
  readonly roles: ReadonlySet<Role>;
}

/** One request and its answer, for as long as they last. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Node takes it from a request whose stream is destroyed, while timers and the log still ask for it. */
  readonly socket: Socket;
  readonly requestId: string;
  readonly trace: TraceContext;
  readonly startedMs: number;
  /** Aborts with a Problem as its reason: caller gone, too slow, service stopping. */
  readonly abort: AbortController;
  route: Route | undefined;
  caller: Caller | undefined;
  /** The handler reads the body itself; its silences are watched. */
  streaming: boolean;
  /** Refused under overload, and left out of the request log. */
  turnedAway: boolean;
}

const REQUEST_ID = /^[\w.:+/=@-]{1,128}$/;

/** For how long the rest of a refused body is read away, in milliseconds. */
const LINGER_MS = 2000;

const NONE: ReadonlySet<Exchange> = new Set();

/** All that is going on, and what belongs to which request. */
export interface Exchanges {
  open(request: IncomingMessage, response: ServerResponse): Exchange;
  of(request: IncomingMessage): Exchange;
  /** Those that are open on a connection, in their order: more than one when they are pipelined. */
  on(socket: Socket): ReadonlySet<Exchange>;
  readonly all: ReadonlySet<Exchange>;
}

export function createExchanges(onOpen: (exchange: Exchange) => void): Exchanges {
  const all = new Set<Exchange>();
  const byRequest = new WeakMap<IncomingMessage, Exchange>();
  const bySocket = new WeakMap<Socket, Set<Exchange>>();

  return {
    open(request, response) {
      const { socket } = request;
      const given = headerOf(request, 'x-request-id');
      const exchange: Exchange = {
        request,
        response,
        socket,
        requestId: given !== undefined && REQUEST_ID.test(given) ? given : uuidV7(),
        trace: continueTrace(headerOf(request, 'traceparent')),
        startedMs: performance.now(),
        abort: new AbortController(),
        route: undefined,
        caller: undefined,
        streaming: false,
        turnedAway: false,
      };
      all.add(exchange);
      byRequest.set(request, exchange);
      const onSocket = bySocket.get(socket) ?? new Set();
      bySocket.set(socket, onSocket.add(exchange));
      response.setHeader('x-request-id', exchange.requestId);
      // Without a listener an error after the answer's end would end the process. The log has its own.
      response.on('error', () => undefined);
      response.once('finish', () => {
        if (!request.complete) linger(exchange);
      });
      response.once('close', () => {
        all.delete(exchange);
        onSocket.delete(exchange);
        if (!response.writableFinished) exchange.abort.abort(callerGone());
      });
      onOpen(exchange);
      return exchange;
    },
    of(request) {
      const exchange = byRequest.get(request);
      if (exchange === undefined) throw new Error('The request was not opened as an exchange');
      return exchange;
    },
    on: (socket) => bySocket.get(socket) ?? NONE,
    all,
  };
}

export function callerGone(): Problem {
  return new Problem(499, 'client_closed_request', 'The caller left before the exchange was over.');
}

/** Reads away what is still coming after a refusal, so that the caller can read the answer. */
function linger({ request, socket }: Exchange): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  const done = () => clearTimeout(timer);
  request.once('end', done).once('close', done);
  request.resume();
}

/**
 * A request header as Node has it: repeated ones are joined by commas, or the first counts where a
 * list makes no sense (`authorization`, `content-type`). Only `set-cookie`, which no request has,
 * would be an array.
 */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? undefined : value;
}

/** Whether a body follows the headers, RFC 9112 §6.3. */
export function hasBody(request: IncomingMessage): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined ||
    Number(request.headers['content-length'] ?? 0) > 0
  );
}
