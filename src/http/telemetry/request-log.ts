import type { IncomingMessage, ServerResponse } from 'node:http';
import { pinoHttp } from 'pino-http';
import { cutText } from '../../lib/cut-text.ts';
import type { Logger } from '../../lib/logger.ts';
import { callerGone, type Exchanges } from '../exchange.ts';
import { describeError, problemOf } from '../problem-of-error.ts';
import type { Refusals } from './refusals.ts';

/**
 * One line per request when its answer is complete or cut off; none for quiet routes that went
 * well, and a sum for callers that were refused before they were known. The path goes in without its query, which may hold what is nobody else's business.
 */
export function createRequestLog(options: {
  log: Logger;
  exchanges: Exchanges;
  refusals: Refusals;
}): (request: IncomingMessage, response: ServerResponse) => void {
  const { log, exchanges, refusals } = options;

  function facts(request: IncomingMessage, response: ServerResponse): Record<string, unknown> {
    const exchange = exchanges.of(request);
    return {
      method: request.method,
      path: pathOf(request),
      status: statusOf(response),
      complete: response.writableFinished,
      durationMs: Math.round(performance.now() - exchange.startedMs),
      caller: exchange.caller?.name,
      remoteAddress: exchange.socket.remoteAddress,
    };
  }

  /** A bug of ours is no refusal, and a probe is no stranger. */
  function isRefusalOfUnknown(request: IncomingMessage, response: ServerResponse): boolean {
    const { caller, route, turnedAway } = exchanges.of(request);
    const status = statusOf(response);
    const isRefused = status >= 400 && status !== 500;
    return isRefused && caller === undefined && route?.probe !== true && !turnedAway;
  }

  const write = pinoHttp({
    logger: log,
    genReqId: (request) => exchanges.of(request).requestId,
    customAttributeKeys: { reqId: 'requestId' },
    quietReqLogger: true,
    quietResLogger: true,
    wrapSerializers: false,
    serializers: { req: () => undefined, err: describeError },
    customLogLevel(request, response, error) {
      if (exchanges.of(request).turnedAway) return 'silent';
      if (isRefusalOfUnknown(request, response)) return 'silent';
      // An unready probe comes every few seconds; what is down has been logged by its own part.
      if (exchanges.of(request).route?.probe === true && response.statusCode === 503)
        return 'debug';
      if (response.statusCode === 500) return 'error';
      if (error !== undefined && problemOf(error).status >= 500) return 'warn';
      if (response.statusCode >= 500) return 'warn';
      return exchanges.of(request).route?.quiet === true ? 'silent' : 'info';
    },
    customSuccessMessage: (request, response) => message(request, response),
    customErrorMessage: (request, response) => message(request, response),
    customSuccessObject: (request, response) => facts(request, response),
    customErrorObject: (request, response, error) => ({
      ...facts(request, response),
      err: response.err === undefined ? undefined : error,
    }),
  });

  return (request, response) => {
    // Children have levels of their own: pino-http's logger and those of requests that are still
    // going on have to follow a change.
    const isChanged = write.logger.level !== log.level;
    if (isChanged) write.logger.level = log.level;
    write(request, response);
    if (isChanged) for (const open of exchanges.all) open.request.log.level = log.level;
    request.log.setBindings({ traceId: exchanges.of(request).trace.traceId });
    const { remoteAddress } = request.socket;
    response.once('close', () => {
      if (!isRefusalOfUnknown(request, response)) return;
      const error = response.writableFinished ? response.err : callerGone();
      refusals.count(error, remoteAddress);
    });
  };
}

/** With nginx's number for a caller that left, as in the metrics. */
function statusOf(response: ServerResponse): number {
  return response.writableFinished ? response.statusCode : 499;
}

function message(request: IncomingMessage, response: ServerResponse): string {
  const end = response.writableFinished ? String(response.statusCode) : 'cut off';
  return `${request.method} ${pathOf(request)} ${end}`;
}

export function pathOf(request: IncomingMessage): string {
  return cutText((request.url ?? '').split('?', 1)[0] ?? '', 200);
}
