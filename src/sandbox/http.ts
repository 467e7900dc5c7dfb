import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from '../lib/node-http.ts';
import type { FaultRule, Faults, Verdict } from './faults.ts';
import { json, type Operation, type Reply, type Service } from './operation.ts';
import type { CallEnd, RequestLog } from './request-log.ts';
import { readBody, write, writeHalf } from './transfer.ts';

export interface SandboxServer {
  /** Its address, without a slash at the end. */
  readonly url: string;
  /** Breaks every connection. */
  close(): Promise<void>;
}

export interface SandboxServerOptions {
  /** The first that recognises a request gets it. */
  readonly services: readonly Service[];
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** A larger body is refused with 413. */
  readonly maxBodyBytes: number;
}

export async function startServer(options: SandboxServerOptions): Promise<SandboxServer> {
  const closing = new AbortController();
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0, noDelay: true });
  server.on('request', (request, response) => {
    serve(request, response, options, closing.signal).catch(() => response.destroy());
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options.port, options.host, resolve);
  await promise;
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://${options.host}:${port}`,
    async close() {
      closing.abort();
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: SandboxServerOptions,
  closing: AbortSignal,
): Promise<void> {
  const requestId = randomUUID();
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  const query = mark === -1 ? '' : url.slice(mark + 1);

  let service: Service | undefined;
  let operation: Operation | undefined;
  for (service of options.services) {
    operation = service.route(request, path);
    if (operation !== undefined) break;
  }
  if (service === undefined || operation === undefined) {
    request.resume();
    write(response, json({ message: `The sandbox has no ${request.method} ${path}` }, 404));
    return;
  }

  const internal = operation.internal === true;
  const end = internal ? () => undefined : logged(request, response, operation, options, requestId);
  const verdict = internal ? NO_VERDICT : options.faults.judge(operation.name);
  const { ending } = verdict;
  if (verdict.latencyMs > 0) {
    const woken = sleep(verdict.latencyMs, undefined, { signal: closing, ref: false });
    if (!(await woken.then(() => true).catch(() => false))) return;
  }
  if (ending?.reset === 'before') {
    end('reset');
    request.socket.resetAndDestroy();
    return;
  }

  const body = await readBody(request, options.maxBodyBytes);
  if (body === undefined) {
    // The rest of the body is not read, so the connection cannot be used again.
    const reply = service.refuse({ status: 413, message: 'The body is too large' }, requestId);
    write(response, reply, { connection: 'close' });
    return;
  }
  if (ending?.hang === true) {
    end('hang');
    return;
  }
  const standard = service.headers?.(requestId);
  const forced = ending === undefined ? undefined : forcedReply(ending, service, requestId);
  if (forced !== undefined) {
    write(response, forced, standard);
    return;
  }

  let reply: Reply;
  try {
    reply = await operation.handle({
      request,
      path,
      query,
      body,
      requestId,
      failsEntry: (...entryIds) => options.faults.failsEntry(verdict.entryFailures, ...entryIds),
      repeatPage: verdict.repeatPage,
    });
  } catch (error) {
    // A bug of the sandbox must not look like one of its faults.
    const message = `The sandbox itself failed: ${error instanceof Error ? error.stack : String(error)}`;
    reply = service.refuse({ status: 500, code: 'sandbox.failed', message }, requestId);
  }
  if (ending?.reset === 'after') {
    end('reset');
    request.socket.resetAndDestroy();
  } else if (ending?.reset === 'middle') {
    end('reset');
    writeHalf(response, reply, standard, () => request.socket.resetAndDestroy());
  } else if (ending?.hang === 'middle') {
    end('hang');
    writeHalf(response, reply, standard, () => undefined);
  } else {
    write(response, reply, standard);
    if (reply.stream !== undefined) end(reply.status);
  }
}

const NO_VERDICT: Verdict = { latencyMs: 0, repeatPage: false };

/** Begins an entry of the log; the function ends it, at the latest when the connection does. */
function logged(
  request: IncomingMessage,
  response: ServerResponse,
  { name }: Operation,
  { requests }: SandboxServerOptions,
  requestId: string,
): (status: CallEnd) => void {
  const startedAt = performance.now();
  let ended = false;
  const end = (status: CallEnd): void => {
    if (ended) return;
    ended = true;
    requests.end({
      at: Date.now(),
      operation: name,
      method: request.method ?? '',
      url: request.url ?? '',
      status,
      durationMs: Math.round((performance.now() - startedAt) * 1000) / 1000,
      requestId,
    });
  };
  requests.begin(name);
  response.once('close', () => end(response.writableFinished ? response.statusCode : 'aborted'));
  return end;
}

/** What a rule answers without asking the operation. */
function forcedReply(rule: FaultRule, service: Service, requestId: string): Reply | undefined {
  const retryAfter = rule.retryAfter === undefined ? {} : { 'retry-after': rule.retryAfter };
  if (rule.html === true) {
    return {
      status: rule.status ?? 502,
      headers: { 'content-type': 'text/html', ...retryAfter },
      body: '<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>',
    };
  }
  if (rule.body !== undefined) {
    const headers = { 'content-type': 'application/json', ...retryAfter };
    return { status: rule.status ?? 200, headers, body: rule.body };
  }
  return rule.status === undefined
    ? undefined
    : service.refuse({ ...rule, status: rule.status }, requestId);
}
