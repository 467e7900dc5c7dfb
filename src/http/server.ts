import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { createServer } from '../lib/node-http.ts';
import { createExchanges } from './exchange.ts';
import { type ApplicationOptions, createApplication, failExchange } from './express-app.ts';
import { createLoopMonitor } from './limits/loop-monitor.ts';
import { createWatchdog } from './limits/watchdog.ts';
import { answerMalformed, problemOfMalformed } from './malformed-request.ts';
import { Problem } from './problem.ts';
import { docsRoutes } from './routes/docs-routes.ts';
import { type OperationRouteOptions, operationRoutes } from './routes/operation-routes.ts';
import { type ProbeOptions, probeRoutes } from './routes/probe-routes.ts';
import { createHttpMetrics } from './telemetry/http-metrics.ts';
import { registerProcessMetrics } from './telemetry/process-metrics.ts';

export interface HttpServerOptions
  extends Omit<ApplicationOptions, 'exchanges' | 'metrics' | 'loop'>,
    Omit<ProbeOptions, 'isDraining' | 'loopDelayMs'>,
    OperationRouteOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export interface HttpServer {
  /** @returns the port that was bound. */
  start(): Promise<{ port: number }>;
  /** Not ready from now on, and every connection closes after its next answer. */
  beginDrain(): void;
  /**
   * Takes no more connections and waits for the requests in flight. After `timeoutMs` their
   * signals abort; one second later their connections are cut.
   */
  stop(timeoutMs: number): Promise<void>;
}

/** What a handler gets to answer after its signal aborted, in milliseconds. */
const ABORT_GRACE_MS = 1000;
const CLOSE_IDLE_EVERY_MS = 100;
/** A connection that never sent a request does not count as idle: it goes after this quiet time. */
const QUIET_SWEEPS = 5;

/** The routes of the use cases and of operation behind one port, within the given limits. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { limits, log } = options;
  let draining = false;
  let stopped: Promise<void> | undefined;

  registerProcessMetrics(options.registry, options.about);
  const loop = createLoopMonitor();
  const metrics = createHttpMetrics(options.registry, () => loop.delayMs);
  const watchdog = createWatchdog({
    silenceMs: limits.bodyTimeoutMs,
    onExpired(exchange, problem) {
      exchange.response.err = problem;
      setTimeout(() => {
        if (!exchanges.all.has(exchange)) return;
        failExchange(exchanges, exchange.request, exchange.response, problem);
        exchange.request.socket.destroySoon();
      }, ABORT_GRACE_MS).unref();
    },
  });
  const exchanges = createExchanges((exchange) => {
    if (draining) exchange.response.setHeader('connection', 'close');
    watchdog.watch(exchange);
  });
  const routes = [
    ...options.routes,
    ...probeRoutes({
      health: options.health,
      isDraining: () => draining,
      loopDelayMs: () => loop.delayMs,
    }),
    ...operationRoutes(options),
  ];
  const { schemes } = options.authentication;
  const app = createApplication({
    ...options,
    routes: [...routes, ...docsRoutes({ about: options.about, routes, schemes })],
    exchanges,
    metrics,
    loop,
  });

  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      // Streamed bodies may take as long as they flow; JSON bodies have a bound of their own.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.max(50, Math.min(1000, limits.headersTimeoutMs / 4)),
      // Longer than the usual idle time of a load balancer, which must be the one to close.
      keepAliveTimeout: 65_000,
      // The application says what is wrong; Node would answer without a word.
      requireHostHeader: false,
    },
    app,
  );
  server.maxConnections = 2 * limits.inFlight + 1000;
  // Answered by the application, which asks for the body only when it is wanted.
  server.on('checkContinue', app);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const answered = exchanges.on(socket)?.response.headersSent === true;
    if (error.code === 'ECONNRESET' || !socket.writable || answered) {
      socket.destroy();
      return;
    }
    const problem = problemOfMalformed(error.code);
    metrics.turnedAway('malformed');
    log.debug({ code: error.code, remoteAddress: socket.remoteAddress }, problem.message);
    answerMalformed(socket, problem);
  });

  async function close(timeoutMs: number): Promise<void> {
    draining = true;
    let quietSweeps = 0;
    const sweeper = setInterval(() => {
      quietSweeps = exchanges.all.size === 0 ? quietSweeps + 1 : 0;
      if (quietSweeps > QUIET_SWEEPS) server.closeAllConnections();
      else server.closeIdleConnections();
    }, CLOSE_IDLE_EVERY_MS);
    const aborter = setTimeout(() => {
      const problem = new Problem(503, 'shutting_down', 'The service is stopping.', {
        headers: { 'retry-after': '5' },
      });
      for (const exchange of exchanges.all) exchange.abort.abort(problem);
    }, timeoutMs);
    const cutter = setTimeout(() => server.closeAllConnections(), timeoutMs + ABORT_GRACE_MS);
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    clearInterval(sweeper);
    clearTimeout(aborter);
    clearTimeout(cutter);
    watchdog.stop();
    loop.stop();
  }

  return {
    async start() {
      const port = await listen(server, options);
      loop.start();
      watchdog.start();
      return { port };
    },
    beginDrain() {
      draining = true;
    },
    stop(timeoutMs) {
      stopped ??= close(timeoutMs);
      return stopped;
    },
  };
}

/** @returns the port that was bound. */
async function listen(server: Server, { host, port }: { host: string; port: number }) {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
