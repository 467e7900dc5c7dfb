import {
  buildQueryString,
  type HttpHandler,
  type HttpRequest,
  HttpResponse,
} from '@smithy/core/protocols';
import type { Dispatcher } from 'undici';
import {
  asProxyFailure,
  createOutgoingAgent,
  type Network,
} from '../../lib/network/outgoing-agent.ts';
import { onAbort } from '../../lib/on-abort.ts';

export interface HttpHandlerOptions {
  /** Requests at once to one host; more wait here, without a bound. */
  readonly maxSockets: number;
  readonly connectTimeoutMs: number;
  /** From being asked to the answer's last byte, the wait for a socket included. */
  readonly requestTimeoutMs: number;
  readonly network?: Network | undefined;
}

/** For AWS' own logs; the SDK's is composed anew for each request. */
const USER_AGENT = 'interaction-bridge';
/** Three times the largest answer there is, ten messages of SQS. */
const MAX_ANSWER_BYTES = 33_554_432;

/**
 * A `requestHandler` for SDK clients, over undici. The SDK's own one, over `node:http`, is half of
 * the price of a PutEvents call; this one is a fifth of that.
 *
 * An error's `name` is `TimeoutError` where the network or the time limit is to blame, because the
 * SDK's retry strategy goes by it; `code` says more: `ETIMEDOUT`, `ECONNRESET`, undici's own.
 */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler & { destroy(): void } {
  const { network } = options;
  const agent = createOutgoingAgent({
    connections: options.maxSockets,
    connectTimeoutMs: options.connectTimeoutMs,
    network,
    // One timer, below, is for the whole exchange.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  return {
    metadata: { handlerProtocol: 'http/1.1' },
    handle(request, { abortSignal } = {}) {
      const signal = abortSignal as AbortSignal | undefined;
      return new Promise((resolve, reject) => {
        const exchange = new Exchange(
          (response) => {
            release();
            resolve({ response });
          },
          (error) => {
            release();
            reject(asProxyFailure(error, network));
          },
        );
        const cancel = () => exchange.cancel(asError(signal?.reason));
        const timer = setTimeout(() => {
          exchange.cancel(timedOut(options.requestTimeoutMs));
        }, options.requestTimeoutMs);
        const forget = onAbort(signal, cancel);
        const release = () => {
          clearTimeout(timer);
          forget();
        };
        if (signal?.aborted === true) cancel();
        else agent.dispatch(optionsOf(request), exchange);
      });
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy: () => void agent.destroy(),
  };
}

/** One request and its answer; ends once, whoever ends it. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #onAnswer: (response: HttpResponse) => void;
  readonly #onError: (error: Error) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #statusCode = 0;
  #headers: Record<string, string> = {};
  #controller: Dispatcher.DispatchController | undefined;
  #cancelled: Error | undefined;

  constructor(onAnswer: (response: HttpResponse) => void, onError: (error: Error) => void) {
    this.#onAnswer = onAnswer;
    this.#onError = onError;
  }

  cancel(error: Error): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = error;
    this.#controller?.abort(error);
    this.#onError(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Cancelled while it waited for a socket.
    if (this.#cancelled !== undefined) controller.abort(this.#cancelled);
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#statusCode = statusCode;
    for (const [name, value = ''] of Object.entries(headers)) {
      this.#headers[name] = typeof value === 'string' ? value : value.join(',');
    }
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_ANSWER_BYTES) {
      this.cancel(new Error(`The answer is longer than ${MAX_ANSWER_BYTES} bytes`));
    }
  }

  onResponseEnd(): void {
    const [first] = this.#chunks;
    const body =
      first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#onAnswer(
      new HttpResponse({ statusCode: this.#statusCode, headers: this.#headers, body }),
    );
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#cancelled === undefined) this.#onError(inWordsOfTheSdk(error));
  }
}

function optionsOf(request: HttpRequest): Dispatcher.DispatchOptions {
  const { protocol, hostname, port, path, query, headers } = request;
  headers['user-agent'] ??= USER_AGENT;
  const search = query === undefined ? '' : buildQueryString(query);
  return {
    origin: `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`,
    path: search === '' ? path : `${path}?${search}`,
    method: request.method,
    headers,
    body: (request.body as string | Uint8Array | undefined) ?? null,
  };
}

/** undici's code → the code that Node's own sockets have for it. */
const CODES: ReadonlyMap<string, string> = new Map([
  ['UND_ERR_SOCKET', 'ECONNRESET'],
  ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'],
]);

function inWordsOfTheSdk(error: Error & { code?: string }): Error {
  const code = CODES.get(error.code ?? '') ?? error.code;
  const isPassing = code !== undefined && /^(?:ECONNRESET|EPIPE|ETIMEDOUT)$/.test(code);
  return isPassing ? Object.assign(error, { name: 'TimeoutError', code }) : error;
}

function timedOut(ms: number): Error {
  const error = new Error(`no complete answer within ${ms} ms`);
  return Object.assign(error, { name: 'TimeoutError', code: 'ETIMEDOUT' });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException(String(reason), 'AbortError');
}
