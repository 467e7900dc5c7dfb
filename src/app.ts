import type { LogOutput } from './lib/limits/log-output.ts';
import type { Logger } from './lib/logger.ts';
import { createReleasers } from './lib/releasers.ts';
import type { Config } from './settings/load-config.ts';
import { openAttributes } from './wiring/attributes.ts';
import { openEvents } from './wiring/events.ts';
import { checkCredentials, connectGenesys } from './wiring/genesys.ts';
import { listenHost, logOpenDoors, openHttp } from './wiring/http.ts';
import { CLOSE_SHARE, countDroppedLines, createShared, keepFilesPrivate } from './wiring/shared.ts';

export interface App {
  /** Listens first, so that probes answer; remote parts that are away are waited for. */
  start(): Promise<{ port: number }>;
  /**
   * Not ready, stop reading, drain, flush metrics, close the server, close the journal: bounded by
   * `SHUTDOWN_TIMEOUT_MS`. Also after a start that failed half way.
   */
  stop(): Promise<void>;
  toggleDebugLog(): void;
}

export interface AppOptions {
  readonly log: Logger;
  /** Where the log goes. */
  readonly output: Pick<LogOutput, 'droppedLines'>;
}

export function createApp(config: Config, { log, output }: AppOptions): App {
  const releasers = createReleasers();
  const shared = createShared(config, { log, releasers });
  countDroppedLines(shared.registry, output);
  const host = listenHost(config);
  let beginDrain: (() => void) | undefined;

  return {
    async start() {
      keepFilesPrivate(config, log);
      const { roles } = shared;
      const genesys = roles.has('api') || roles.has('reader') ? connectGenesys(shared) : undefined;
      const attributes =
        genesys !== undefined && roles.has('api')
          ? await openAttributes(shared, genesys.client)
          : undefined;
      const events = await openEvents(shared, genesys?.client);
      const routes =
        attributes === undefined ? events.workerRoutes : [...attributes.routes, ...events.routes];
      const http = openHttp(shared, routes, events.status);
      releasers.push('HTTP server', () => http.stop(config.SHUTDOWN_TIMEOUT_MS * CLOSE_SHARE));
      beginDrain = () => http.beginDrain();
      const { port, probePort } = await http.start();
      log.info({ host, port, probePort, roles: [...roles] }, 'Listening');
      logOpenDoors(config, log);

      if (genesys !== undefined) {
        checkCredentials(shared, genesys.tokens, attributes?.permissions);
      }
      attributes?.start();
      events.start();
      return { port };
    },
    async stop() {
      beginDrain?.();
      await releasers.release();
    },
    toggleDebugLog() {
      log.level = log.level === 'debug' ? config.LOG_LEVEL : 'debug';
      log.warn({ logLevel: log.level }, 'Log level changed');
    },
  };
}
