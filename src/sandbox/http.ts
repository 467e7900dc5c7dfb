import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EntryFailures, FaultRule, Faults, Verdict } from './faults.ts';
import type { CallEnd, RequestLog } from './request-log.ts';

/**
 * One listener for everything that the sandbox imitates. A *service* recognises its requests and
 * names the *operation*; this file reads the body, applies the faults, writes the answer and keeps
 * the log. Operations are plain functions from a call to a reply.
 */
export interface Service {
  /** The operation that a request asks for; `undefined` when it is not for this service. */
  readonly route: (request: IncomingMessage, path: string) => Operation | undefined;
  /** A failure in this service's own format. */
  readonly refuse: (failure: Failure, requestId: string) => Reply;
  /** Headers of every answer, for example the request's id. */
  readonly headers?: (requestId: string) => Readonly<Record<string, string>>;
}

export interface Operation {
  /** Dotted name, the target of fault rules: `genesys.token`, `aws.events.PutEvents`. */
  readonly name: string;
  /** The sandbox's own business: no faults, not in the log. */
  readonly internal?: boolean;
  handle(call: Call): Reply | Promise<Reply>;
}

export interface Call {
  readonly request: IncomingMessage;
  /** Still percent-encoded, without the query. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  /** As it came: a `content-encoding` is the operation's business. */
  readonly body: Buffer;
  readonly requestId: string;
  /** Whether a fault rule refuses this entry of the batch, known by any of these ids. */
  failsEntry(...entryIds: readonly string[]): EntryFailures | undefined;
  /** A fault rule wants a page that leads to itself. */
  readonly repeatPage: boolean;
}

export interface Failure {
  readonly status: number;
  /** Error code; the service has one for each status. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly retryAfter?: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Takes over after the headers were written, for an answer without end. */
  readonly stream?: (response: ServerResponse) => void;
}

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

/** An answer in JSON. */
export function json(value: unknown, status = 200, headers?: Readonly<Record<string, string>>) {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
    body: JSON.stringify(value),
  } satisfies Reply;
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
      durationMs: performance.now() - startedAt,
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

function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        request.pause();
        resolve(undefined);
      } else chunks.push(chunk);
    });
    request.once('end', () => {
      const [only] = chunks;
      resolve(only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks));
    });
    request.once('error', reject);
    request.once('close', () => reject(new Error('The caller went away')));
  });
}

function write(
  response: ServerResponse,
  reply: Reply,
  standard?: Readonly<Record<string, string>>,
): void {
  if (reply.stream !== undefined) {
    response.writeHead(reply.status, { ...standard, ...reply.headers });
    response.flushHeaders();
    reply.stream(response);
    return;
  }
  const body = reply.body ?? '';
  response.writeHead(reply.status, {
    ...standard,
    ...reply.headers,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function writeHalf(
  response: ServerResponse,
  reply: Reply,
  standard: Readonly<Record<string, string>> | undefined,
  written: () => void,
): void {
  if (reply.stream !== undefined) {
    response.writeHead(reply.status, { ...standard, ...reply.headers });
    response.write('{"id":"half a li', written);
    return;
  }
  const body = Buffer.from(reply.body ?? 'nothing to cut');
  response.writeHead(reply.status, {
    ...standard,
    ...reply.headers,
    'content-length': body.length,
  });
  response.write(body.subarray(0, Math.ceil(body.length / 2)), written);
}
