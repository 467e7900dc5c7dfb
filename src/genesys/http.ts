import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import {
  asProxyFailure,
  createOutgoingAgent,
  type Network,
} from '../lib/network/outgoing-agent.ts';
import { onAbort } from '../lib/on-abort.ts';

/** All in milliseconds. */
export interface RequestTimeouts {
  readonly connectMs: number;
  /** From the request being sent to the start of the answer. */
  readonly headersMs: number;
  /** The longest silence within an answer. */
  readonly bodyMs: number;
  /** One try as a whole, without the wait for its turn. */
  readonly tryMs: number;
}

export interface HttpOptions {
  readonly timeouts: RequestTimeouts;
  /** Sockets for calls; streams have their own, so that none waits for the other. */
  readonly maxConnections: number;
  /** Larger answers are cut off and count as failed. Default 32 MiB. */
  readonly maxAnswerBytes?: number;
  readonly network?: Network | undefined;
}

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Outgoing {
  readonly method: Method;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Opened {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
}

/**
 * One HTTP exchange, without any retry. Fails with undici's errors, ProxyFailure,
 * AnswerTooLarge or TryTimedOut; an abort rejects with the signal's own reason.
 */
export interface Http {
  send(outgoing: Outgoing): Promise<Received>;
  /** Resolves when the answer begins; the body stays open for as long as bytes come. */
  open(outgoing: Outgoing, silenceMs: number): Promise<Opened>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

export class AnswerTooLarge extends Error {
  override name = 'AnswerTooLarge';
}

export class TryTimedOut extends Error {
  override name = 'TryTimedOut';
}

const DEFAULT_MAX_ANSWER_BYTES = 33_554_432;

export function createHttp(options: HttpOptions): Http {
  const { connectMs, headersMs, bodyMs, tryMs } = options.timeouts;
  const { network } = options;
  const common = {
    connectTimeoutMs: connectMs,
    headersTimeout: headersMs,
    bodyTimeout: bodyMs,
    network,
  };
  const callAgent = createOutgoingAgent({ ...common, connections: options.maxConnections });
  const streamAgent = createOutgoingAgent(common);

  async function dispatch(
    outgoing: Outgoing,
    signal: AbortSignal,
    dispatcher: Dispatcher,
    bodyTimeout: number,
  ): Promise<Opened> {
    const { statusCode, headers, body } = await request(outgoing.url, {
      method: outgoing.method,
      headers: { ...outgoing.headers },
      body: outgoing.body ?? null,
      signal,
      dispatcher,
      bodyTimeout,
    });
    return { status: statusCode, headers, body };
  }

  return {
    async send(outgoing) {
      const limit = linkedAbort(outgoing.signal, tryMs);
      try {
        const { status, headers, body } = await dispatch(outgoing, limit.signal, callAgent, bodyMs);
        const text = await readText(body, options.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES);
        return { status, headers, text };
      } catch (error) {
        outgoing.signal?.throwIfAborted();
        throw asProxyFailure(error, network);
      } finally {
        limit.release();
      }
    },

    async open(outgoing, silenceMs) {
      const limit = linkedAbort(outgoing.signal, tryMs);
      try {
        const opened = await dispatch(outgoing, limit.signal, streamAgent, silenceMs);
        limit.stopClock();
        // Without a listener an error between here and the first read would end the process.
        opened.body.on('error', () => undefined);
        opened.body.once('close', limit.release);
        return opened;
      } catch (error) {
        limit.release();
        outgoing.signal?.throwIfAborted();
        throw asProxyFailure(error, network);
      }
    },

    async close() {
      await Promise.all([callAgent.destroy(), streamAgent.destroy()]);
    },
  };
}

/** The whole body as text, or AnswerTooLarge as soon as it is longer; the socket is let go. */
export async function readText(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new AnswerTooLarge(`longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A signal that follows `outer` and a time limit, and holds on to neither after `release`. */
function linkedAbort(outer: AbortSignal | undefined, ms: number) {
  const controller = new AbortController();
  const follow = () => controller.abort(outer?.reason);
  const timer = setTimeout(
    () => controller.abort(new TryTimedOut(`not complete after ${ms} ms`)),
    ms,
  );
  if (outer?.aborted === true) follow();
  const forget = onAbort(outer, follow);
  const stopClock = () => clearTimeout(timer);
  return {
    signal: controller.signal,
    stopClock,
    release: () => {
      stopClock();
      forget();
    },
  };
}

/** A header of an answer; of one that came more than once, the first. */
export function firstHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
