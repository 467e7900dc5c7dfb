import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../lib/logger.ts';
import { createServer } from '../lib/node-http.ts';
import type { Exchanges } from './exchange.ts';
import { boundConnections } from './limits/bounded-connections.ts';
import { answerMalformedInTurn, problemOfMalformed } from './malformed-request.ts';
import type { HttpMetrics } from './telemetry/http-metrics.ts';

export interface ListenerOptions {
  readonly handle: RequestListener;
  readonly maxConnections: number;
  readonly headersTimeoutMs: number;
  readonly exchanges: Exchanges;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
}

/**
 * Requests that wait on one connection for the answers before theirs. Hardly any client pipelines
 * at all; one that sends more loses the connection and repeats what was not answered (RFC 9112 §9.3.2).
 */
const MAX_PIPELINED = 10;
/**
 * Connections that wait to be accepted; the kernel may allow fewer. With Node's 511 a burst of one
 * caller makes those of others wait for seconds, until their next try.
 */
const BACKLOG = 4096;

/** The server behind one port: bounded connections, bounded pipelines, an answer to what is no HTTP. */
export function createListener(options: ListenerOptions): Server {
  const { handle, headersTimeoutMs, exchanges, metrics, log } = options;

  const onRequest: RequestListener = (request, response) => {
    const { socket } = request;
    const open = exchanges.on(socket);
    if (open.size < MAX_PIPELINED) {
      connections.busy(request, response);
      handle(request, response);
    } else if (!socket.destroyed) {
      metrics.turnedAway('pipelined');
      for (const exchange of open) exchange.turnedAway = true;
      socket.destroy();
    }
  };
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      // Streamed bodies may take as long as they flow; JSON bodies have a bound of their own.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.max(50, Math.min(1000, headersTimeoutMs / 4)),
      // Longer than the usual idle time of a load balancer, which must be the one to close.
      keepAliveTimeout: 65_000,
      // The application says what is wrong; Node would answer without a word.
      requireHostHeader: false,
    },
    onRequest,
  );
  // Answered by the application, which asks for the body only when it is wanted.
  server.on('checkContinue', onRequest);
  const connections = boundConnections(server, options.maxConnections, () =>
    metrics.turnedAway('idle'),
  );

  const failed = new WeakSet<Socket>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    // What comes after the first fault is no news.
    if (failed.has(socket)) return;
    failed.add(socket);
    const problem = problemOfMalformed(error.code);
    metrics.turnedAway('malformed');
    log.debug({ code: error.code, remoteAddress: socket.remoteAddress }, problem.message);
    answerMalformedInTurn(socket, problem, exchanges.on(socket));
  });
  return server;
}

/** @returns the port that was bound. */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ port, host, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
