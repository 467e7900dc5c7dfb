import type { RequestListener } from 'node:http';
import { createExchanges } from './exchange.ts';
import { type ApplicationOptions, createApplication, failExchange } from './express-app.ts';
import { createLoopMonitor } from './limits/loop-monitor.ts';
import { createWatchdog } from './limits/watchdog.ts';
import { explainListenError } from './listen-error.ts';
import { createListener, listen } from './listener.ts';
import { Problem } from './problem.ts';
import type { Route } from './route.ts';
import { docsRoutes } from './routes/docs-routes.ts';
import { type OperationRouteOptions, operationRoutes } from './routes/operation-routes.ts';
import { type ProbeOptions, probeRoutes } from './routes/probe-routes.ts';
import { createHttpMetrics } from './telemetry/http-metrics.ts';
import { registerProcessMetrics, registerReadiness } from './telemetry/process-metrics.ts';
import { createRefusals } from './telemetry/refusals.ts';
import { pathOf } from './telemetry/request-log.ts';

export interface HttpServerOptions
  extends Omit<ApplicationOptions, 'exchanges' | 'metrics' | 'loop' | 'refusals'>,
    Omit<ProbeOptions, 'isDraining' | 'loopDelayMs'>,
    OperationRouteOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** A port of their own for the probes, which no other caller can hold up. */
  readonly probePort?: number | undefined;
}

export interface HttpServer {
  /** @returns the ports that were bound. @throws ConfigError when that is not possible */
  start(): Promise<{ port: number; probePort: number | undefined }>;
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
/** Connections to the port of the probes. */
const PROBERS = 100;
/** A connection that never sent a request does not count as idle: it goes after this quiet time. */
const QUIET_SWEEPS = 5;

/** The routes of the use cases and of operation behind one port, within the given limits. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { limits, log } = options;
  let draining = false;
  let stopped: Promise<void> | undefined;

  registerProcessMetrics(options.registry, options.about);
  registerReadiness(options.registry, options.health, options.roles);
  const refusals = createRefusals(log);
  const loop = createLoopMonitor();
  const metrics = createHttpMetrics(options.registry, () => loop.delayMs);
  const watchdog = createWatchdog({
    silenceMs: limits.bodyTimeoutMs,
    onExpired(exchange, problem) {
      exchange.response.err = problem;
      setTimeout(() => {
        if (!exchanges.all.has(exchange)) return;
        failExchange(exchanges, exchange.request, exchange.response, problem);
        exchange.socket.destroySoon();
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
      roles: options.roles,
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
    refusals,
  });

  const listener = (handle: RequestListener, maxConnections: number) =>
    createListener({
      handle,
      maxConnections,
      headersTimeoutMs: limits.headersTimeoutMs,
      exchanges,
      metrics,
      log,
    });
  const server = listener(app, 2 * limits.inFlight + 1000);
  const probeServer =
    options.probePort === undefined ? undefined : listener(probesOnly(app, routes), PROBERS);
  const servers = probeServer === undefined ? [server] : [server, probeServer];

  async function close(timeoutMs: number): Promise<void> {
    draining = true;
    let quietSweeps = 0;
    const sweeper = setInterval(() => {
      quietSweeps = exchanges.all.size === 0 ? quietSweeps + 1 : 0;
      for (const one of servers) {
        if (quietSweeps > QUIET_SWEEPS) one.closeAllConnections();
        else one.closeIdleConnections();
      }
    }, CLOSE_IDLE_EVERY_MS);
    const aborter = setTimeout(() => {
      const problem = new Problem(503, 'shutting_down', 'The service is stopping.', {
        headers: { 'retry-after': '5' },
      });
      for (const exchange of exchanges.all) exchange.abort.abort(problem);
    }, timeoutMs);
    const cutter = setTimeout(() => {
      for (const one of servers) one.closeAllConnections();
    }, timeoutMs + ABORT_GRACE_MS);
    await Promise.all(
      servers.map((one) => new Promise<void>((resolve) => void one.close(() => resolve()))),
    );
    clearInterval(sweeper);
    clearTimeout(aborter);
    clearTimeout(cutter);
    watchdog.stop();
    loop.stop();
    refusals.stop();
  }

  async function listenForProbes(): Promise<number | undefined> {
    const { host, probePort } = options;
    if (probeServer === undefined || probePort === undefined) return undefined;
    return listen(probeServer, host, probePort).catch((error: unknown) => {
      server.close();
      throw explainListenError(error, host, probePort, 'PROBE_PORT');
    });
  }

  return {
    async start() {
      const port = await listen(server, options.host, options.port).catch((error: unknown) => {
        throw explainListenError(error, options.host, options.port, 'PORT');
      });
      const probePort = await listenForProbes();
      loop.start();
      watchdog.start();
      return { port, probePort };
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

/** Of all routes the probes alone: what else is asked here came to the wrong port. */
function probesOnly(app: RequestListener, routes: readonly Route[]): RequestListener {
  const paths = new Set(routes.filter(({ probe }) => probe === true).map(({ path }) => path));
  return (request, response) => {
    if (paths.has(pathOf(request))) app(request, response);
    else response.writeHead(404, { connection: 'close' }).end();
  };
}
